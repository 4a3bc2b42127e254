#pragma once

#include "base/mutex.h"
#include "base/time.h"

namespace holdfast::replicator {

/// The sleep of a thread that works in rounds: others cut it short when there is something to do, or end it for good.
///
/// Rules:
///  1. A wake() that comes while nobody sleeps ends the next sleep at once. Why: what it tells of may have come after
///     the round that would have seen it.
///  2. After stop() nobody sleeps any more.
/// Thread-safety: sleep() on one thread, the rest on any.
class BreakableSleep {
 public:
  /// Returns: false if it was cut short.
  bool sleep(Duration duration);
  void wake();
  /// Repeatable.
  void stop();
  bool stopped() const;

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool woken_ HOLDFAST_GUARDED_BY(mutex_) = false;
  bool stopped_ HOLDFAST_GUARDED_BY(mutex_) = false;
};

}  // namespace holdfast::replicator
