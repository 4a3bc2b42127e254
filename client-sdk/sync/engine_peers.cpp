// Wire peers: from connect() to PeerClosed, and the bytes they send.

#include <utility>

#include "base/check.h"
#include "sync/engine_state.h"

namespace holdfast::sync {

PeerSession* Engine::State::peer(PeerId id) {
  auto const found = peers.find(id);
  return found == peers.end() ? nullptr : &found->second;
}

PeerId Engine::connect(wire::Role role, KeyPair const& static_pair, PeerOptions const& options,
                       Instant now) {
  State& s = *state_;
  PeerId const id(++s.last_peer);
  s.peers.try_emplace(id, id, role, static_pair, options, s.options, now);
  s.dirty_peers.insert(id);
  s.settle(now);
  return id;
}

void Engine::peer_gone(PeerId peer, Instant now) {
  if (state_->peer(peer) == nullptr) return;
  state_->events.emplace_back(PeerClosed{peer, {ErrorCode::Unavailable, "connection ended"}});
  state_->drop(peer, now);
  state_->settle(now);
}

void Engine::disconnect(PeerId peer, Error reason, Instant now) {
  if (state_->peer(peer) == nullptr) return;
  state_->events.emplace_back(PeerClosed{peer, std::move(reason)});
  state_->doomed.insert(peer);
  state_->settle(now);
}

/// Forgets a wire peer and gives its work to others.
void Engine::State::drop(PeerId id, Instant now) {
  auto const found = peers.find(id);
  if (found == peers.end()) return;
  for (auto const& [key, channel] : found->second.channel_of) {
    CoreEntry* const entry = core(key);
    if (entry == nullptr || !entry->sync) continue;
    entry->sync->close_channel(id, now);
    entry->idle_since = now;
    dirty_cores.insert(key);
  }
  peers.erase(found);
  dirty_peers.erase(id);
}

void Engine::State::count(ErrorCode code) {
  switch (code) {
    case ErrorCode::BadCapability:
      ++counters.bad_capability;
      return;
    case ErrorCode::BadHandshake:
      ++counters.bad_handshake;
      return;
    case ErrorCode::Malformed:
      ++counters.malformed;
      return;
    case ErrorCode::LimitExceeded:
      ++counters.limit_exceeded;
      return;
    case ErrorCode::Unavailable:
      ++counters.timed_out;
      return;
    case ErrorCode::BadProof:
    case ErrorCode::BadSignature:
    case ErrorCode::Protocol:
    case ErrorCode::NotFound:
    case ErrorCode::Conflict:
    case ErrorCode::Denied:
    case ErrorCode::StorageFull:
    case ErrorCode::Storage:
      ++counters.protocol_violation;
      return;
  }
}

/// The wire peer broke a rule: the connection ends, and why is counted.
void Engine::State::fail(PeerId id, Error error) {
  if (!doomed.insert(id).second) return;
  count(error.code);
  events.emplace_back(PeerClosed{id, std::move(error)});
}

void Engine::receive(PeerId id, ByteView bytes, Instant now) {
  State& s = *state_;
  PeerSession* const session = s.peer(id);
  if (session == nullptr) return;
  session->last_read = now;
  bool const had_handshake = session->mux.has_value();
  Result<void> handled = session->transport.receive(bytes);
  if (!had_handshake && session->transport.handshake_hash()) s.on_handshake(*session, now);
  while (handled) {
    std::optional<Bytes> frame = session->transport.next_frame();
    if (!frame) break;
    session->progress = now;
    handled = session->mux->receive(*std::move(frame));
    if (handled) handled = s.take_mux_events(*session, now);
  }
  if (!handled) s.fail(id, handled.error());
  s.update_dirty(*session, now);
  s.settle(now);
}

Result<void> Engine::State::take_mux_events(PeerSession& session, Instant now) {
  while (std::optional<wire::MuxEvent> event = session.mux->next_event()) {
    Result<void> const handled = on_mux_event(session, *std::move(event), now);
    if (!handled) return handled;
  }
  return {};
}

/// Lets the cores that heard something from this wire peer say and ask what follows from it.
void Engine::State::update_dirty(PeerSession& session, Instant now) {
  for (CoreKey const& key : dirty_cores) {
    if (session.channel_of.contains(key)) cores.at(key).sync->update(session.id, now);
  }
  dirty_peers.insert(session.id);
}

void Engine::State::on_handshake(PeerSession& session, Instant now) {
  session.mux.emplace(options.mux);
  std::optional<PublicKey> const key = session.transport.remote_key();
  HOLDFAST_CHECK(key.has_value());
  events.emplace_back(HandshakeDone{session.id, *key});
  session.progress = now;
  if (!session.options.open_all) return;
  for (auto const& [project, unused] : projects) open_towards(session, project);
}

}  // namespace holdfast::sync
