#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include <pthread.h>

#include "base/mutex.h"

namespace holdfast::cli {

/// Turns Ctrl-C and SIGTERM into a call, on a thread of its own. A second one ends the program at
/// once. Make it before any other thread, so that they inherit the blocked signals.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(StopSignal const&) = delete;
  StopSignal& operator=(StopSignal const&) = delete;

  bool came() const { return came_; }
  /// Calls `react` once when the signal comes; at once if it has. What it uses must live until
  /// forget() or the end of this.
  void on_stop(std::function<void()> react) HOLDFAST_EXCLUDES(mutex_);
  /// `react` is not called any more, and is not running when this returns.
  void forget() HOLDFAST_EXCLUDES(mutex_);

 private:
  void run();
  void react() HOLDFAST_EXCLUDES(mutex_);

  std::atomic<bool> came_{false};
  std::atomic<bool> ending_{false};
  Mutex mutex_;  ///< Held while reacting.
  std::function<void()> react_ HOLDFAST_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace holdfast::cli
