// What comes through a wire peer's mux: channels that open, messages, channels that end.

#include <algorithm>
#include <utility>

#include "sync/engine_state.h"

namespace holdfast::sync {

Result<void> Engine::State::on_mux_event(PeerSession& session, wire::MuxEvent event, Instant now) {
  if (auto const* const message = std::get_if<wire::ChannelMessage>(&event)) {
    return on_message(session, *message, now);
  }
  if (auto* const open = std::get_if<wire::RemoteOpen>(&event)) {
    return on_remote_open(session, std::move(*open), now);
  }
  if (auto const* const paired = std::get_if<wire::Paired>(&event)) {
    auto const found = session.core_of.find(paired->channel);
    if (found == session.core_of.end()) return {};
    CoreKey const key = found->second;
    Result<void> const proven = session.check_handshake(key, paired->handshake);
    if (!proven) return proven;
    on_live(session, key, now);
    return {};
  }
  wire::ChannelId const channel = std::holds_alternative<wire::Rejected>(event)
                                      ? std::get<wire::Rejected>(event).channel
                                      : std::get<wire::Closed>(event).channel;
  session.foreign.erase(channel);
  if (std::optional<CoreKey> const key = session.unbind(channel)) {
    CoreEntry* const entry = core(*key);
    if (entry != nullptr && entry->sync) {
      entry->sync->close_channel(session.id, now);
      entry->idle_since = now;
      dirty_cores.insert(*key);
    }
  }
  return {};
}

Result<void> Engine::State::on_remote_open(PeerSession& session, wire::RemoteOpen open,
                                           Instant now) {
  bool const is_core = open.protocol == kHypercoreProtocol || open.protocol == kHypercoreAlias;
  if (!is_core) {
    auto const& known = options.foreign_protocols;
    bool const accepted = std::find(known.begin(), known.end(), open.protocol) != known.end() &&
                          session.foreign.size() < options.foreign_channels_per_peer_max;
    if (!accepted) {
      session.mux->reject(open);
      return {};
    }
    // An accept that fails was settled by the mux: taken back, or rejected over a limit.
    Result<wire::ChannelId> const channel = session.mux->accept(open, {});
    if (channel) session.foreign.emplace(*channel, open.protocol);
    return {};
  }
  std::optional<DiscoveryKey> const discovery_key = DiscoveryKey::from(open.id);
  auto const found = discovery_key ? by_discovery_key.find(*discovery_key) : by_discovery_key.end();
  if (found == by_discovery_key.end()) {
    ++counters.unhosted_opens;
    session.mux->reject(open);
    return {};
  }
  CoreKey const key = found->second;
  // Proven before anything is read from disk for this stranger.
  Result<void> const proven = session.check_handshake(key, open.handshake);
  if (!proven) return proven;
  bool const busy = session.channel_of.contains(key) ||
                    (session.waiting.contains(key) && session.waiting.at(key).has_value());
  if (busy) {
    session.mux->reject(open);
    return {};
  }
  CoreEntry& entry = cores.at(key);
  if (entry.sync) {
    session.waiting.erase(key);
    accept(session, key, open, now);
    return {};
  }
  session.waiting[key] = std::move(open);
  load(key, entry);
  return {};
}

void Engine::State::accept(PeerSession& session, CoreKey const& key, wire::RemoteOpen const& open,
                           Instant now) {
  Result<wire::ChannelId> const channel = session.mux->accept(open, session.open_handshake(key));
  if (!channel) return;  // Settled by the mux: taken back, or rejected over a limit.
  session.bind(*channel, key);
  on_live(session, key, now);
}

void Engine::State::open_towards(PeerSession& session, CoreKey const& key) {
  if (session.channel_of.contains(key) || session.waiting.contains(key)) return;
  CoreEntry& entry = cores.at(key);
  if (!entry.sync) {
    session.waiting.emplace(key, std::nullopt);
    load(key, entry);
    return;
  }
  Result<wire::ChannelId> const channel = session.mux->open(
      kHypercoreProtocol, discovery_key_of(key).view(), session.open_handshake(key));
  if (channel)
    session.bind(*channel, key);  // Otherwise all ids are taken: the remote may still open it.
  dirty_peers.insert(session.id);
}

void Engine::State::on_live(PeerSession& session, CoreKey const& key, Instant now) {
  session.transport.set_trusted();
  session.proven.insert(key);
  events.emplace_back(ChannelLive{session.id, key});
  cores.at(key).sync->open_channel(session.id, now);
  dirty_cores.insert(key);
  auto const project = projects.find(key);
  if (project == projects.end()) return;
  for (CoreKey const& member : project->second) open_towards(session, member);
}

Result<void> Engine::State::on_message(PeerSession& session, wire::ChannelMessage const& message,
                                       Instant now) {
  auto const found = session.core_of.find(message.channel);
  if (found == session.core_of.end()) {
    auto const foreign = session.foreign.find(message.channel);
    if (foreign != session.foreign.end()) {
      events.emplace_back(
          ForeignMessage{session.id, foreign->second, message.type, to_bytes(message.body)});
    }
    return {};
  }
  CoreKey const& key = found->second;
  if (!session.proven.contains(key)) return {};
  Result<std::optional<wire::Message>> decoded =
      wire::decode_message(message.type, message.body, options.messages);
  if (!decoded) return Unexpected(decoded.error());
  if (!*decoded) return {};
  CoreSync& sync = *cores.at(key).sync;
  dirty_cores.insert(key);
  Result<void> const taken = sync.receive(session.id, std::move(**decoded), now);
  if (sync.wants_to_serve(session.id)) session.serve_ready.insert(key);
  return taken;
}

}  // namespace holdfast::sync
