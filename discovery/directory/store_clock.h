#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/mutex.h"
#include "base/time.h"

namespace holdfast::discovery {

/// The store's time by our steady clock, learnt from what the store says.
///
/// Rules:
///  1. What the store said is over when we hear it, so each message gives a time that is not too late, and the latest of
///     them is nearest the truth. It is off by what the quickest message took.
///  2. Only the last five to ten minutes count. Why: clocks drift, and a store's clock may be set back.
/// Thread-safe; reading is one atomic load.
class StoreClock {
 public:
  void learn(std::uint64_t store_unix_ms, Instant heard_at) {
    std::int64_t const heard_ms = heard_at.time_since_epoch().count();
    std::int64_t const offset = static_cast<std::int64_t>(store_unix_ms) - heard_ms;
    MutexLock const lock(mutex_);
    if (!has_any_) {
      latest_ = before_ = offset;
      window_start_ms_ = heard_ms;
      has_any_ = true;
    } else if (heard_ms - window_start_ms_ > kWindowMs) {
      before_ = latest_;
      latest_ = offset;
      window_start_ms_ = heard_ms;
    }
    latest_ = std::max(latest_, offset);
    offset_ms_.store(std::max(latest_, before_), std::memory_order_relaxed);
  }
  /// Another store may answer from now on.
  void forget() {
    MutexLock const lock(mutex_);
    has_any_ = false;
  }
  std::int64_t unix_ms(Instant now) const {
    return now.time_since_epoch().count() + offset_ms_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kWindowMs = 300'000;
  std::atomic<std::int64_t> offset_ms_{0};
  Mutex mutex_;
  bool has_any_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::int64_t latest_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::int64_t before_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::int64_t window_start_ms_ HOLDFAST_GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::discovery
