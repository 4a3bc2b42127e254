#pragma once

#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "net/backoff.h"
#include "net/engine_host.h"
#include "replicator/daemon/config.h"

namespace holdfast::replicator {

/// Keeps a connection to each --peer: dials, and after every end dials again with full jitter.
/// Thread-safety: start() and stop() from one thread.
class PeerDialer {
 public:
  PeerDialer(net::EngineHost& host, std::vector<PeerAddress> peers);
  ~PeerDialer() { stop(); }

  void start();
  /// Call before the host stops: no dial follows. Repeatable.
  void stop();

 private:
  struct Target {
    PeerAddress peer;
    net::Backoff backoff;
    std::optional<Instant> due;  ///< Nothing while connected or dialling.
  };

  void run();
  /// Returns: targets that are due, marked as being dialled; waits, once, if there are none.
  std::vector<std::size_t> wait_for_due() HOLDFAST_REQUIRES(mutex_);
  void dial(std::size_t target);
  void on_closed(std::size_t target, net::DialEnd const& end);

  net::EngineHost& host_;
  Mutex mutex_;
  CondVar changed_;
  SeededRng rng_ HOLDFAST_GUARDED_BY(mutex_);
  std::vector<Target> targets_ HOLDFAST_GUARDED_BY(mutex_);
  bool stopped_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace holdfast::replicator
