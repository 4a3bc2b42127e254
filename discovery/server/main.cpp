#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <variant>

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "config/logging.h"
#include "crypto/keys.h"
#include "discovery/server/app.h"
#include "discovery/server/settings.h"

namespace holdfast::discovery {
namespace {

constexpr int kStoppedAtOnce = 1;

int fail(Error const& error) {
  std::fprintf(stderr, "holdfast-discovery: %s\n", error.detail.c_str());
  return 1;
}

/// Blocked in this thread and those it will start, so that only wait_for_end() gets them.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int const signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

/// `on_hangup`: what SIGHUP asks for.
void wait_for_end(sigset_t const& signals, std::function<void()> const& on_hangup) {
  int signal = 0;
  while (true) {
    sigwait(&signals, &signal);
    if (signal != SIGHUP) return;
    on_hangup();
  }
}

int run(Settings settings) {
  set_up_logging(settings.log);
  if (Result<void> const crypto = init_crypto(); !crypto) return fail(crypto.error());
  sigset_t const signals = block_signals();
  App app(std::move(settings));
  if (Result<void> const started = app.start(); !started) return fail(started.error());
  wait_for_end(signals, [&app] { app.reload(); });
  std::thread([&signals] {
    wait_for_end(signals, [] {});
    ::_exit(kStoppedAtOnce);
  }).detach();
  app.drain();
  std::fflush(stdout);
  ::_exit(0);  // The thread above still waits; everything that matters is closed.
}

}  // namespace
}  // namespace holdfast::discovery

int main(int argc, char** argv) {
  namespace discovery = holdfast::discovery;
  try {
    std::variant<discovery::Settings, int> settings = discovery::read_settings(argc, argv);
    if (int const* const code = std::get_if<int>(&settings)) return *code;
    auto& read = std::get<discovery::Settings>(settings);
    if (holdfast::Result<void> const checked = discovery::check_settings(read); !checked) {
      std::fprintf(stderr, "holdfast-discovery: %s\n", checked.error().detail.c_str());
      return 2;
    }
    return discovery::run(std::move(read));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "holdfast-discovery: %s\n", error.what());
    return 1;
  }
}
