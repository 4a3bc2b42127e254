// The engine's effects, events and deadlines.

#include <utility>

#include "net/engine_host_state.h"

namespace holdfast::net {

/// Carries out everything the engine has to say until it has nothing more to say. Events come
/// first: a connection that an event ends must not write.
void EngineHost::State::settle() {
  bool more = true;
  while (more) {
    more = false;
    while (std::optional<sync::Event> const event = engine.next_event()) {
      publish(*event);
      more = true;
    }
    more = start_effects() || more;
    more = wake_touched() || more;
  }
  wake_paused();
  arm_timer();
  if (draining) check_drained();
}

void EngineHost::State::publish(sync::Event const& event) {
  if (auto const* const done = std::get_if<sync::HandshakeDone>(&event)) on_handshake(*done);
  std::optional<sync::PeerId> const peer = std::visit(
      [](auto const& any) -> std::optional<sync::PeerId> {
        if constexpr (requires { any.peer; }) return any.peer;
        return std::nullopt;
      },
      event);
  auto const found = peer ? connections.find(*peer) : connections.end();
  ConnectionInfo const* const info = found == connections.end() ? nullptr : &found->second->info;
  for (Subscriber const& subscriber : subscribers) subscriber(event, info);
  if (auto const* const closed = std::get_if<sync::PeerClosed>(&event)) {
    remove(closed->peer, closed->reason);
  }
}

void EngineHost::State::on_handshake(sync::HandshakeDone const& done) {
  auto const found = connections.find(done.peer);
  if (found == connections.end()) return;
  Connection& connection = *found->second;
  connection.info.remote_key = done.remote_key;
  if (connection.expected_key && *connection.expected_key != done.remote_key) {
    return engine.disconnect(
        done.peer,
        {ErrorCode::BadHandshake, "another replicator answered, with key " + done.remote_key.hex()},
        steady_now());
  }
  connection.handshake_at = steady_now();
}

bool EngineHost::State::start_effects() {
  std::vector<sync::Effect> effects = engine.take_effects();
  for (sync::Effect& effect : effects) runner.start(std::move(effect));
  return !effects.empty();
}

bool EngineHost::State::wake_touched() {
  std::vector<sync::PeerId> const touched = engine.take_touched();
  for (sync::PeerId const peer : touched) {
    auto const found = connections.find(peer);
    if (found != connections.end()) found->second->pump->wake();
  }
  return !touched.empty();
}

void EngineHost::State::wake_paused() {
  if (draining || paused.empty()) return;
  std::set<sync::PeerId> const waiting = std::exchange(paused, {});
  for (sync::PeerId const peer : waiting) {
    auto const found = connections.find(peer);
    if (found != connections.end()) found->second->pump->wake();  // Pauses again if it must.
  }
}

void EngineHost::State::arm_timer() {
  std::optional<Instant> const deadline = engine.next_deadline();
  // An armed timer that is early does no harm; moving it at every packet would cost.
  if (!deadline || (armed && *armed <= *deadline)) return;
  armed = deadline;
  timer.expires_at(std::chrono::steady_clock::time_point(deadline->time_since_epoch()));
  timer.async_wait([this](Failure stopped) {
    if (stopped) return;
    armed.reset();
    engine.on_tick(steady_now());
    settle();
  });
}

void EngineHost::State::take_completions() {
  Instant const now = steady_now();
  for (Completion& done : runner.take()) {
    if (auto* const loaded = std::get_if<Loaded>(&done)) {
      engine.on_core_loaded(loaded->core, std::move(loaded->record), now);
    } else if (auto* const served = std::get_if<Served>(&done)) {
      engine.on_served(std::move(served->result), now);
    } else {
      auto const& ingested = std::get<Ingested>(done);
      engine.on_ingested(ingested.result, ingested.durable, now);
    }
  }
  settle();
}

}  // namespace holdfast::net
