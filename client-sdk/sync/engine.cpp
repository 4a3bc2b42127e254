#include "sync/engine.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "sync/engine_state.h"

namespace holdfast::sync {

Engine::Engine(Options const& options, Rng& rng) : state_(std::make_unique<State>(options, rng)) {}
Engine::~Engine() = default;

std::vector<PeerId> Engine::take_touched() {
  std::vector<PeerId> const out(state_->touched.begin(), state_->touched.end());
  state_->touched.clear();
  return out;
}

Bytes Engine::take_output(PeerId peer) {
  PeerSession* const session = state_->peer(peer);
  return session == nullptr ? Bytes{} : session->transport.take_output();
}

void Engine::on_drained(PeerId peer, Instant now) {
  if (state_->peer(peer) == nullptr) return;
  state_->dirty_peers.insert(peer);
  state_->settle(now);
}

bool Engine::wants_input(PeerId peer) const {
  return state_->peers.contains(peer) && state_->ingest_total < state_->options.ingest_bytes_max;
}

std::vector<Effect> Engine::take_effects() { return std::exchange(state_->effects, {}); }

std::optional<Event> Engine::next_event() {
  if (state_->events.empty()) return std::nullopt;
  Event out = std::move(state_->events.front());
  state_->events.pop_front();
  return out;
}

std::optional<Instant> Engine::next_deadline() const { return state_->next_tick; }

void Engine::on_tick(Instant now) {
  State& s = *state_;
  if (!s.next_tick || now < *s.next_tick) return;
  s.next_tick.reset();
  for (auto& [id, session] : s.peers) {
    if (!session.transport.open() && now - session.connected >= s.options.handshake_timeout) {
      s.fail(id, {ErrorCode::Unavailable, "handshake took too long"});
    } else if (now - session.last_read >= s.options.read_timeout) {
      s.fail(id, {ErrorCode::Unavailable, "wire peer is silent"});
    } else if (session.mux && now - session.last_write >= s.options.keep_alive_interval) {
      session.transport.send_keep_alive();
      s.dirty_peers.insert(id);
    }
  }
  std::vector<CoreKey> const open(s.open_cores.begin(), s.open_cores.end());
  for (CoreKey const& key : open) {
    State::CoreEntry& entry = s.cores.at(key);
    if (entry.sync->has_timers()) {
      for (PeerId const id : entry.sync->peers())
        entry.sync->expire(id, s.peers.at(id).progress, now);
      entry.sync->update_all(now);
      s.dirty_cores.insert(key);
    }
    if (entry.sync->idle() && now - entry.idle_since >= s.options.idle_timeout &&
        !s.has_channel(key)) {
      entry.sync.reset();
      s.open_cores.erase(key);
      s.dirty_cores.erase(key);
      if (entry.projects.empty()) s.cores.erase(key);
    }
  }
  s.settle(now);
}

std::optional<CoreStatus> Engine::status(CoreKey const& core) const {
  State::CoreEntry const* const entry = state_->core(core);
  if (entry == nullptr || !entry->sync) return std::nullopt;
  CoreSync const& sync = *entry->sync;
  return CoreStatus{.fork = sync.fork(),
                    .length = sync.length(),
                    .contiguous_length = sync.held().contiguous(),
                    .blocks_held = sync.held().count(),
                    .channels = sync.channel_count(),
                    .remote_length = sync.remote_length()};
}

bool Engine::proven(PeerId peer, CoreKey const& core) const {
  PeerSession const* const session = state_->peer(peer);
  return session != nullptr && session->proven.contains(core);
}

Counters const& Engine::counters() const { return state_->counters; }

void Engine::check_invariants() const {
  std::size_t total = 0;
  for (auto const& [key, entry] : state_->cores) {
    if (!entry.sync) continue;
    entry.sync->check_invariants();
    total += entry.sync->ingest_bytes();
    for (PeerId const id : entry.sync->peers()) {
      HOLDFAST_CHECK(state_->peers.at(id).channel_of.contains(key));
      HOLDFAST_CHECK(state_->peers.at(id).proven.contains(key));
    }
  }
  HOLDFAST_CHECK(total == state_->ingest_total);
  for (auto const& [id, session] : state_->peers) {
    HOLDFAST_CHECK(session.core_of.size() == session.channel_of.size());
    if (session.mux) session.mux->check_invariants();
  }
}

}  // namespace holdfast::sync
