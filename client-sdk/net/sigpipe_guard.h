#pragma once

#include <csignal>
#include <ctime>

#include <pthread.h>

namespace holdfast::net {

/// Keeps SIGPIPE from this thread, and from the program, while it lives.
/// Why: OpenSSL writes with write(2), which raises it when the other end has gone, and a library has no right to change
/// what signals do to the whole process.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeGuard() {
    timespec const at_once{0, 0};
    // What was raised meanwhile is for this thread, and is taken back before it can do harm.
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeGuard(SigpipeGuard const&) = delete;
  SigpipeGuard& operator=(SigpipeGuard const&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace holdfast::net
