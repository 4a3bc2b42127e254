#pragma once

#include <cstdint>
#include <optional>

#include "core/bitfield.h"
#include "sync/jobs.h"
#include "sync/remote_have.h"

namespace holdfast::sync {

/// Which missing block of one core to ask for next.
///
/// Rules:
///  1. A block is given out at most once at a time: until release() or held() nobody else gets it.
///     Why: k wire peers then share the work without talking about it.
///  2. The lowest missing block that the wire peer claims comes first.
///     Why: readers mostly read forward, and the acknowledgement of a backup is its prefix.
///  3. A held block is never given out.
/// Complexity: O(runs) between candidates, not O(blocks). Thread-safety: none.
class BlockScheduler {
 public:
  /// Starts from what is held.
  explicit BlockScheduler(core::Bitfield const& held);

  /// Returns: the lowest open block below `end` that `remote` claims, nothing if there is none. Does not take it.
  std::optional<std::uint64_t> next(RemoteHave const& remote, std::uint64_t end);
  /// Takes this block for `peer`. Returns: false if it is held or taken.
  bool take(std::uint64_t block, PeerId peer);
  /// Gives a taken block back. Requires: it is taken.
  void release(std::uint64_t block);
  /// A taken block became durable.
  void held(std::uint64_t block);
  /// A fork: everything from `length` on is missing again. Requires: nothing there is taken.
  void truncate(std::uint64_t length);

  std::uint64_t taken_count() const { return taken_count_; }
  /// True if nobody but `peer` took blocks since none was taken: answers then come in the order of asking.
  bool alone(PeerId peer) const { return taken_count_ == 0 || (!mixed_ && source_ == peer); }
  /// First block that is neither held nor taken.
  std::uint64_t first_open();
  /// Blocks held or taken.
  core::Bitfield const& taken_or_held() const { return unavailable_; }

 private:
  core::Bitfield unavailable_;
  std::uint64_t taken_count_ = 0;
  PeerId source_;
  bool mixed_ = false;
  std::uint64_t open_from_ = 0;  ///< No block below this is open; a cache for first_open().
};

}  // namespace holdfast::sync
