#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace holdfast::replicator {

/// One thread that does what may wait (disk, network) for a thread that must not, in order.
/// Memory: kTasksMax tasks; post() refuses more.
class TaskThread {
 public:
  static constexpr std::size_t kTasksMax = 65'536;

  TaskThread() : thread_([this] { run(); }) {}
  ~TaskThread() { stop(); }
  TaskThread(TaskThread const&) = delete;
  TaskThread& operator=(TaskThread const&) = delete;

  /// Returns: false if stopped or full; the task is then dropped.
  bool post(std::function<void()> task) {
    MutexLock const lock(mutex_);
    if (stopped_ || tasks_.size() >= kTasksMax) return false;
    tasks_.push_back(std::move(task));
    changed_.notify_one();
    return true;
  }

  /// Takes no more tasks, finishes those it has, and ends. Repeatable.
  void stop() {
    {
      MutexLock const lock(mutex_);
      stopped_ = true;
      changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    MutexLock lock(mutex_);
    while (true) {
      while (!stopped_ && tasks_.empty()) changed_.wait(mutex_);
      if (tasks_.empty()) return;
      std::function<void()> const task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ HOLDFAST_GUARDED_BY(mutex_);
  bool stopped_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace holdfast::replicator
