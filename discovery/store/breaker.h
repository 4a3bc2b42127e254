#pragma once

#include <algorithm>
#include <chrono>

#include "base/random.h"

namespace holdfast::discovery {

using Deadline = std::chrono::steady_clock::time_point;

/// Keeps callers from queueing up behind a server that does not answer.
///
/// ```
///   closed ──failures_max in a row──> open ──pause over──> half open
///     ^                                ^                      │ one call is let through
///     └────────────it succeeded───────────────────────────────┤
///                                      └──────it failed───────┘ (the next pause is twice as long)
/// ```
/// The pause is drawn between half and all of its length. Why: instances that lost the same server
/// must not come back at the same moment.
/// [Pure] Not thread-safe.
class Breaker {
 public:
  struct Options {
    unsigned failures_max = 3;
    std::chrono::milliseconds pause_min{100};
    std::chrono::milliseconds pause_max{1'600};
  };
  enum class State { Closed, Open, HalfOpen };

  explicit Breaker(Options const& options) : options_(options) {}

  /// Whether a call may go out. Every call that was let through reports back exactly once.
  bool allow(Deadline now) {
    if (state_ == State::Closed) return true;
    if (state_ == State::HalfOpen || now < open_until_) return false;
    state_ = State::HalfOpen;
    return true;
  }
  void on_success() {
    state_ = State::Closed;
    failures_ = 0;
    pause_ = options_.pause_min;
  }
  void on_failure(Deadline now, Rng& rng) {
    ++failures_;
    bool const opens = state_ == State::HalfOpen ||
                       (state_ == State::Closed && failures_ >= options_.failures_max);
    if (!opens) return;
    state_ = State::Open;
    auto const half = static_cast<std::uint64_t>(pause_.count()) / 2;
    open_until_ = now + std::chrono::milliseconds(half + rng.below(half + 1));
    pause_ = std::min(pause_ * 2, options_.pause_max);
  }
  State state() const { return state_; }

 private:
  Options const options_;
  State state_ = State::Closed;
  unsigned failures_ = 0;
  std::chrono::milliseconds pause_ = options_.pause_min;
  Deadline open_until_{};
};

}  // namespace holdfast::discovery
