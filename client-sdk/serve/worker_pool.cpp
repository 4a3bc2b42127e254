#include "serve/worker_pool.h"

#include <utility>

namespace holdfast {

void WorkerPool::start(std::size_t worker_count, std::size_t queued_max) {
  {
    MutexLock const lock(mutex_);
    queued_max_ = queued_max;
    stopped_ = false;
  }
  for (std::size_t i = 0; i < worker_count; ++i) workers_.emplace_back([this] { run(); });
}

bool WorkerPool::submit(Job job, std::size_t requests) {
  MutexLock const lock(mutex_);
  if (stopped_ || queued_ >= queued_max_) return false;
  queue_.push_back({std::move(job), requests});
  queued_ += requests;
  work_.notify_one();
  return true;
}

void WorkerPool::stop() {
  {
    MutexLock const lock(mutex_);
    stopped_ = true;
    queue_.clear();
    queued_ = 0;
    work_.notify_all();
  }
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void WorkerPool::run() {
  while (true) {
    Job job;
    {
      MutexLock const lock(mutex_);
      while (queue_.empty() && !stopped_) work_.wait(mutex_);
      if (stopped_) return;
      job = std::move(queue_.front().job);
      queued_ -= queue_.front().requests;
      queue_.pop_front();
    }
    job();
  }
}

}  // namespace holdfast
