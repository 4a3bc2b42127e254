#include "replicator/daemon/peer_dialer.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "net/system_rng.h"
#include "net/tcp.h"

namespace holdfast::replicator {

namespace {

constexpr Duration kIdleWait{3'600'000};

}  // namespace

PeerDialer::PeerDialer(net::EngineHost& host, std::vector<PeerAddress> peers)
    : host_(host), rng_(net::system_rng()) {
  net::BackoffOptions backoff;
  backoff.cap = Duration(30'000);
  for (PeerAddress& peer : peers)
    targets_.push_back({std::move(peer), net::Backoff(backoff), Instant{}});
}

void PeerDialer::start() {
  bool const any = [this] {
    MutexLock const lock(mutex_);
    return !targets_.empty();
  }();
  if (any) thread_ = std::thread([this] { run(); });
}

void PeerDialer::stop() {
  {
    MutexLock const lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void PeerDialer::run() {
  while (true) {
    std::vector<std::size_t> ready;
    {
      MutexLock const lock(mutex_);
      if (stopped_) return;
      ready = wait_for_due();
    }
    for (std::size_t const target : ready) dial(target);
  }
}

std::vector<std::size_t> PeerDialer::wait_for_due() {
  std::vector<std::size_t> ready;
  Instant const now = net::steady_now();
  Duration wait = kIdleWait;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    std::optional<Instant>& due = targets_[i].due;
    if (!due) continue;
    if (*due <= now) {
      due.reset();
      ready.push_back(i);
    } else {
      wait = std::min(wait, *due - now);
    }
  }
  if (ready.empty()) changed_.wait_for(mutex_, wait);
  return ready;
}

void PeerDialer::dial(std::size_t target) {
  PeerAddress peer;
  {
    MutexLock const lock(mutex_);
    peer = targets_[target].peer;
  }
  net::DialOptions options;
  options.expected_key = peer.id;
  options.peer.open_all = true;
  host_.dial(host_.new_dial_id(), {peer.address.host, peer.address.port}, options,
             [this, target](net::DialEnd const& end) { on_closed(target, end); });
}

void PeerDialer::on_closed(std::size_t target, net::DialEnd const& end) {
  MutexLock const lock(mutex_);
  if (stopped_) return;
  Target& state = targets_[target];
  if (state.backoff.failures() == 0) {
    spdlog::info("connection to --peer {} ended: {}", to_text(state.peer.address),
                 end.reason.detail);
  }
  if (end.handshake_done) state.backoff.connection_ended(end.lived);
  state.due = net::steady_now() + state.backoff.next(rng_);
  changed_.notify_all();
}

}  // namespace holdfast::replicator
