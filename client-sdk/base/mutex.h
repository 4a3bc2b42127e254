#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

// Clang's thread-safety analysis (-Wthread-safety) reads these; g++ sees nothing.
#if defined(__clang__)
#define HOLDFAST_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define HOLDFAST_THREAD_ANNOTATION(x)
#endif

/// A type that is held and released. On classes.
#define HOLDFAST_CAPABILITY(name) HOLDFAST_THREAD_ANNOTATION(capability(name))
/// A type that holds a capability from construction to destruction. On classes.
#define HOLDFAST_SCOPED_CAPABILITY HOLDFAST_THREAD_ANNOTATION(scoped_lockable)
/// Read and written only with this mutex held. On data members.
#define HOLDFAST_GUARDED_BY(mutex) HOLDFAST_THREAD_ANNOTATION(guarded_by(mutex))
/// What the pointer leads to is guarded; the pointer itself is not.
#define HOLDFAST_PT_GUARDED_BY(mutex) HOLDFAST_THREAD_ANNOTATION(pt_guarded_by(mutex))
/// The caller holds these. On functions.
#define HOLDFAST_REQUIRES(...) HOLDFAST_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
/// The caller must not hold these, because the function takes them. On functions.
#define HOLDFAST_EXCLUDES(...) HOLDFAST_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define HOLDFAST_ACQUIRE(...) HOLDFAST_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define HOLDFAST_RELEASE(...) HOLDFAST_THREAD_ANNOTATION(release_capability(__VA_ARGS__))

namespace holdfast {

/// std::mutex with the annotations that libstdc++'s own does not carry. Not recursive.
class HOLDFAST_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(Mutex const&) = delete;
  Mutex& operator=(Mutex const&) = delete;

  void lock() HOLDFAST_ACQUIRE() { mutex_.lock(); }
  void unlock() HOLDFAST_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Holds a Mutex for its own life. unlock() and lock() let go in between, as a worker does that
/// takes work out, does it without the lock, and puts the result back.
class HOLDFAST_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HOLDFAST_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() HOLDFAST_RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(MutexLock const&) = delete;
  MutexLock& operator=(MutexLock const&) = delete;

  void unlock() HOLDFAST_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void lock() HOLDFAST_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

/// A condition variable for Mutex. Waits may wake for nothing: call them in a loop that asks the
/// condition.
class CondVar {
 public:
  /// Requires: the calling thread holds `mutex`; it holds it again on return.
  void wait(Mutex& mutex) HOLDFAST_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// Returns: false when `at_most` passed without a notification.
  template <typename Rep, typename Period>
  bool wait_for(Mutex& mutex, std::chrono::duration<Rep, Period> at_most) HOLDFAST_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    bool const notified = condition_.wait_for(lock, at_most) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace holdfast
