#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include <pthread.h>

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
  /// Calls `react` once when the signal comes; at once if it has.
  void on_stop(std::function<void()> react);

 private:
  void run();

  std::atomic<bool> came_{false};
  std::atomic<bool> ending_{false};
  std::function<void()> react_;
  std::atomic<bool> armed_{false};
  std::thread thread_;
};

}  // namespace holdfast::cli
