#include "cli/stop_signal.h"

#include <csignal>
#include <cstdlib>
#include <utility>

namespace holdfast::cli {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignal::StopSignal() {
  sigset_t const set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { run(); });
}

StopSignal::~StopSignal() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void StopSignal::on_stop(std::function<void()> react_then) {
  {
    MutexLock const lock(mutex_);
    react_ = std::move(react_then);
  }
  if (came_) react();
}

void StopSignal::forget() {
  MutexLock const lock(mutex_);
  react_ = nullptr;
}

void StopSignal::react() {
  MutexLock const lock(mutex_);
  if (react_) std::exchange(react_, nullptr)();
}

void StopSignal::run() {
  sigset_t const set = stop_signals();
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (ending_) return;
    if (came_.exchange(true)) std::_Exit(128 + signal);
    react();
  }
}

}  // namespace holdfast::cli
