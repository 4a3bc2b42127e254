#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace holdfast {

/// Threads for what may block, with a bounded queue: more work than that is refused at once, so that overload is told
/// instead of waited for.
///
/// Thread-safety: all functions may be called from any thread.
class WorkerPool {
 public:
  using Job = std::function<void()>;

  WorkerPool() = default;
  ~WorkerPool() { stop(); }
  WorkerPool(WorkerPool const&) = delete;
  WorkerPool& operator=(WorkerPool const&) = delete;

  /// Requires: not started yet.
  void start(std::size_t worker_count, std::size_t queued_max);
  /// `requests`: how many of queued_max it counts for. A job must not throw.
  /// Returns: false if the queue is full or the pool is stopped; `job` is then not run.
  bool submit(Job job, std::size_t requests = 1);
  /// Drops what is queued, waits for what is being done. Idempotent.
  void stop();

 private:
  void run();

  std::vector<std::thread> workers_;
  Mutex mutex_;
  CondVar work_;
  struct Queued {
    Job job;
    std::size_t requests = 1;
  };
  std::deque<Queued> queue_ HOLDFAST_GUARDED_BY(mutex_);
  std::size_t queued_ HOLDFAST_GUARDED_BY(mutex_) = 0;  ///< Requests in the queue.
  std::size_t queued_max_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  bool stopped_ HOLDFAST_GUARDED_BY(mutex_) = true;
};

}  // namespace holdfast
