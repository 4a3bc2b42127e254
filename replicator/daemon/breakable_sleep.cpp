#include "replicator/daemon/breakable_sleep.h"

#include "net/tcp.h"

namespace holdfast::replicator {

bool BreakableSleep::sleep(Duration duration) {
  Instant const until = net::steady_now() + duration;
  MutexLock const lock(mutex_);
  while (!stopped_ && !woken_) {
    Duration const left = until - net::steady_now();
    if (left <= Duration(0)) return true;
    changed_.wait_for(mutex_, left);
  }
  woken_ = false;
  return false;
}

void BreakableSleep::wake() {
  MutexLock const lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void BreakableSleep::stop() {
  MutexLock const lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

bool BreakableSleep::stopped() const {
  MutexLock const lock(mutex_);
  return stopped_;
}

}  // namespace holdfast::replicator
