#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace holdfast {

/// Which parked requests wait for which event, over all loops.
///
/// Rules:
///  1. A notification that comes between a handler's look and add() is not lost: add() is told the sequence number from
///     before the look, and refuses if that event (or one of the same hash) was notified since. Why: the handler ran on
///     another thread than the one that notifies.
///  2. An entry leaves by notify() or remove(), whichever is first; remove() of one that has left does nothing.
///
/// Thread-safety: all functions may be called from any thread. Memory: `waits_max` entries.
class Waiters {
 public:
  struct Token {
    std::size_t loop = 0;       ///< Index of the loop that holds the request.
    std::uint64_t session = 0;  ///< Its connection there.
    friend auto operator<=>(Token const&, Token const&) = default;
  };
  enum class Added : std::uint8_t { Waiting, NotifiedMeanwhile, Full };

  explicit Waiters(std::size_t waits_max) : waits_max_(waits_max) {}

  /// To be asked before a handler looks at what it might wait for.
  std::uint64_t sequence() const;
  Added add(std::string const& event, Token token, std::uint64_t sequence_before);
  void remove(std::string const& event, Token token);
  /// Returns: who waited for `event`; they wait no longer.
  std::vector<Token> notify(std::string const& event);
  std::size_t count() const;

 private:
  static constexpr std::size_t kRecent =
      1024;  ///< Notifications whose event is remembered for rule 1.

  struct Entry {
    std::string event;
    Token token;
    friend auto operator<=>(Entry const&, Entry const&) = default;
  };

  std::size_t const waits_max_;
  mutable Mutex mutex_;
  std::uint64_t sequence_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::array<std::size_t, kRecent> recent_ HOLDFAST_GUARDED_BY(mutex_){};  ///< Hashes, by sequence.
  std::set<Entry> waiting_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast
