#include "sync/engine.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "sync/core_sync.h"
#include "sync/peer_session.h"

namespace holdfast::sync {

namespace {

/// Time-outs are looked at this often; nothing depends on them being met more exactly.
constexpr Duration kTick{500};

}  // namespace

struct Engine::State {
  struct CoreEntry {
    std::set<CoreKey> projects;
    bool loading = false;
    std::unique_ptr<CoreSync> sync;  ///< While open.
    Instant idle_since{};
    std::size_t ingest_bytes = 0;  ///< As counted in ingest_total.
  };
  struct RunningJob {
    CoreKey core;
    std::optional<PeerId> peer;  ///< Of a serve job.
  };

  State(Options const& o, Rng& r) : options(o), rng(r) {}

  // Peers.
  PeerSession* peer(PeerId id);
  void drop(PeerId id, Instant now);
  void fail(PeerId id, Error error);
  void count(ErrorCode code);
  void on_handshake(PeerSession& session, Instant now);
  Result<void> take_mux_events(PeerSession& session, Instant now);
  void update_dirty(PeerSession& session, Instant now);
  Result<void> on_mux_event(PeerSession& session, wire::MuxEvent event, Instant now);
  Result<void> on_remote_open(PeerSession& session, wire::RemoteOpen open, Instant now);
  Result<void> on_message(PeerSession& session, wire::ChannelMessage const& message, Instant now);

  // Channels.
  CoreEntry* core(CoreKey const& key);
  void load(CoreKey const& key, CoreEntry& entry);
  void accept(PeerSession& session, CoreKey const& key, wire::RemoteOpen const& open, Instant now);
  void open_towards(PeerSession& session, CoreKey const& key);
  void on_live(PeerSession& session, CoreKey const& key, Instant now);
  bool has_channel(CoreKey const& key) const;
  void close_core(CoreKey const& key, CoreEntry& entry, Instant now);

  // Work.
  void settle(Instant now);
  void send(PeerSession& session, Instant now);
  void route(CoreKey const& key, CoreEntry& entry);
  void pump_serve(PeerSession& session);
  void note_progress(CoreKey const& key, CoreEntry const& entry, IngestResult const& result,
                     std::uint64_t bytes);

  Options const options;
  Rng& rng;
  Counters counters;
  std::uint64_t last_peer = 0;
  std::uint64_t last_job = 0;
  std::map<PeerId, PeerSession> peers;
  std::unordered_map<CoreKey, CoreEntry> cores;
  std::unordered_map<DiscoveryKey, CoreKey> by_discovery_key;
  std::map<CoreKey, std::set<CoreKey>> projects;
  std::map<JobId, RunningJob> jobs;
  std::set<CoreKey> open_cores;
  std::set<CoreKey> dirty_cores;
  std::set<PeerId> dirty_peers;
  std::set<PeerId> doomed;  ///< Failed; dropped by the next settle().
  std::set<PeerId> touched;
  std::vector<Effect> effects;
  std::deque<Event> events;
  std::size_t ingest_total = 0;
  std::optional<Instant> next_tick;
};

Engine::Engine(Options const& options, Rng& rng) : state_(std::make_unique<State>(options, rng)) {}
Engine::~Engine() = default;

// ---- hosting

void Engine::host(CoreKey const& core, CoreKey const& project, Instant now) {
  State& s = *state_;
  s.by_discovery_key.emplace(discovery_key_of(core), core);
  s.cores[core].projects.insert(project);
  if (!s.projects[project].insert(core).second) return;
  for (auto& [id, session] : s.peers) {
    bool const root_for_dialled = core == project && session.options.open_all;
    if (!session.mux || !(session.proven.contains(project) || root_for_dialled)) continue;
    s.open_towards(session, core);
    s.dirty_peers.insert(id);
  }
  s.settle(now);
}

void Engine::unhost_project(CoreKey const& project, Instant now) {
  State& s = *state_;
  auto const found = s.projects.find(project);
  if (found == s.projects.end()) return;
  for (CoreKey const& key : found->second) {
    State::CoreEntry& entry = s.cores.at(key);
    entry.projects.erase(project);
    if (!entry.projects.empty()) continue;
    s.by_discovery_key.erase(discovery_key_of(key));
    s.close_core(key, entry, now);
    if (!entry.sync && !entry.loading) s.cores.erase(key);
  }
  s.projects.erase(found);
  s.settle(now);
}

void Engine::open_core(CoreKey const& core, PeerId peer, Instant now) {
  PeerSession* const session = state_->peer(peer);
  if (session == nullptr || !session->mux || !hosts(core)) return;
  state_->open_towards(*session, core);
  state_->settle(now);
}

bool Engine::hosts(CoreKey const& core) const {
  auto const found = state_->cores.find(core);
  return found != state_->cores.end() && !found->second.projects.empty();
}

Engine::State::CoreEntry* Engine::State::core(CoreKey const& key) {
  auto const found = cores.find(key);
  return found == cores.end() ? nullptr : &found->second;
}

/// Closes every channel of a core; its memory goes as soon as no job runs on it.
void Engine::State::close_core(CoreKey const& key, CoreEntry& entry, Instant now) {
  if (!entry.sync) return;
  for (auto& [id, session] : peers) {
    auto const channel = session.channel_of.find(key);
    if (channel == session.channel_of.end()) continue;
    session.mux->close(channel->second);
    session.unbind(channel->second);
    entry.sync->close_channel(id, now);
    dirty_peers.insert(id);
  }
  entry.idle_since = now - options.idle_timeout;
}

/// Whether any wire peer has a channel for this core, live or opening.
bool Engine::State::has_channel(CoreKey const& key) const {
  return std::any_of(peers.begin(), peers.end(),
                     [&key](auto const& entry) { return entry.second.channel_of.contains(key); });
}

void Engine::State::load(CoreKey const& key, CoreEntry& entry) {
  if (entry.loading) return;
  entry.loading = true;
  effects.emplace_back(LoadCore{key});
}

void Engine::on_core_loaded(CoreKey const& key, Result<std::optional<core::CoreRecord>> record,
                            Instant now) {
  State& s = *state_;
  State::CoreEntry* const entry = s.core(key);
  if (entry == nullptr || !entry->loading) return;
  entry->loading = false;
  if (record && !entry->projects.empty()) {
    core::CoreRecord const loaded =
        *record ? std::move(**record) : core::CoreRecord{key, {}, {}, {}};
    entry->sync = std::make_unique<CoreSync>(key, loaded, s.options, s.counters);
    entry->idle_since = now;
    s.open_cores.insert(key);
    if (entry->sync->has_manifest())
      s.events.emplace_back(ManifestKnown{key, entry->sync->manifest()});
  }
  bool const open_failed = !entry->sync;
  for (auto& [id, session] : s.peers) {
    auto waiting = session.waiting.extract(key);
    if (waiting.empty()) continue;
    s.dirty_peers.insert(id);
    std::optional<wire::RemoteOpen> const& open = waiting.mapped();
    if (open_failed) {
      if (open) session.mux->reject(*open);
    } else if (open) {
      s.accept(session, key, *open, now);
      // What the remote said right behind its Open was kept until now.
      Result<void> const handled = s.take_mux_events(session, now);
      if (!handled) s.fail(id, handled.error());
      s.update_dirty(session, now);
    } else {
      s.open_towards(session, key);
    }
  }
  if (open_failed && entry->projects.empty()) s.cores.erase(key);
  s.settle(now);
}

// ---- wire peers

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

// ---- output and effects

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

/// Sends what the cores want to say, starts jobs, moves frames into the transports.
void Engine::State::settle(Instant now) {
  while (!doomed.empty() || !dirty_cores.empty() || !dirty_peers.empty()) {
    for (PeerId const id : std::exchange(doomed, {})) drop(id, now);
    for (CoreKey const& key : std::exchange(dirty_cores, {})) {
      CoreEntry* const entry = core(key);
      if (entry != nullptr && entry->sync) route(key, *entry);
    }
    for (PeerId const id : std::exchange(dirty_peers, {})) {
      if (PeerSession* const session = peer(id)) send(*session, now);
    }
  }
  if (!next_tick && !(peers.empty() && open_cores.empty())) next_tick = now + kTick;
}

void Engine::State::send(PeerSession& session, Instant now) {
  pump_serve(session);
  if (session.flush(now)) touched.insert(session.id);
  if (session.transport.output_bytes() > options.stalled_output_bytes_max) {
    fail(session.id, {ErrorCode::LimitExceeded, "wire peer does not read"});
  }
}

void Engine::State::route(CoreKey const& key, CoreEntry& entry) {
  for (Outgoing const& outgoing : entry.sync->take_outgoing()) {
    PeerSession* const session = peer(outgoing.peer);
    if (session == nullptr) continue;
    auto const channel = session->channel_of.find(key);
    if (channel == session->channel_of.end()) continue;
    session->mux->send(channel->second, outgoing.type, outgoing.body);
    dirty_peers.insert(outgoing.peer);
  }
  if (std::vector<merkle::Proof> proofs = entry.sync->take_ingest(); !proofs.empty()) {
    JobId const id(++last_job);
    jobs.emplace(id, RunningJob{key, std::nullopt});
    effects.emplace_back(IngestJob{.id = id, .core = key, .proofs = std::move(proofs)});
  }
  ingest_total = ingest_total - entry.ingest_bytes + entry.sync->ingest_bytes();
  entry.ingest_bytes = entry.sync->ingest_bytes();
}

/// Starts serve jobs, one core after the other, while there is room for their answers.
void Engine::State::pump_serve(PeerSession& session) {
  while (!session.serve_ready.empty() && session.serve_jobs < options.serve_jobs_per_peer_max &&
         session.transport.output_bytes() < options.output_bytes_per_peer_max) {
    auto next = session.serve_ready.upper_bound(session.serve_last);
    if (next == session.serve_ready.end()) next = session.serve_ready.begin();
    CoreKey const key = *next;
    session.serve_ready.erase(next);
    session.serve_last = key;
    CoreEntry* const entry = core(key);
    if (entry == nullptr || !entry->sync) continue;
    std::vector<wire::Request> requests = entry->sync->take_serve(session.id);
    if (requests.empty()) continue;
    JobId const id(++last_job);
    jobs.emplace(id, RunningJob{key, session.id});
    ++session.serve_jobs;
    effects.emplace_back(
        ServeJob{.id = id,
                 .core = key,
                 .peer = session.id,
                 .requests = std::move(requests),
                 .bytes_max = options.output_bytes_per_peer_max / options.serve_jobs_per_peer_max});
  }
}

void Engine::on_served(ServeResult result, Instant now) {
  State& s = *state_;
  auto const job = s.jobs.extract(result.id);
  HOLDFAST_CHECK(!job.empty() && job.mapped().peer.has_value());
  PeerId const id = *job.mapped().peer;
  CoreKey const key = job.mapped().core;
  PeerSession* const session = s.peer(id);
  if (session != nullptr) {
    --session->serve_jobs;
    s.dirty_peers.insert(id);
  }
  State::CoreEntry* const entry = s.core(key);
  if (session != nullptr && entry != nullptr && entry->sync) {
    entry->sync->on_served(id, std::move(result.answers));
    if (entry->sync->wants_to_serve(id)) session->serve_ready.insert(key);
    s.dirty_cores.insert(key);
  }
  s.settle(now);
}

void Engine::on_ingested(IngestResult const& result, Result<void> const& durable, Instant now) {
  State& s = *state_;
  auto const job = s.jobs.extract(result.id);
  HOLDFAST_CHECK(!job.empty());
  CoreKey const key = job.mapped().core;
  State::CoreEntry* const entry = s.core(key);
  HOLDFAST_CHECK(entry != nullptr && entry->sync);
  std::uint64_t const bytes_before = s.counters.bytes_received;
  if (entry->sync->on_ingested(result, durable, now)) {
    s.note_progress(key, *entry, result, s.counters.bytes_received - bytes_before);
  }
  s.dirty_cores.insert(key);
  s.settle(now);
}

void Engine::State::note_progress(CoreKey const& key, CoreEntry const& entry,
                                  IngestResult const& result, std::uint64_t bytes) {
  if (result.manifest) events.emplace_back(ManifestKnown{key, *result.manifest});
  events.emplace_back(CoreProgress{.core = key,
                                   .fork = entry.sync->fork(),
                                   .length = entry.sync->length(),
                                   .contiguous_length = entry.sync->held().contiguous(),
                                   .blocks_added = result.blocks.size(),
                                   .bytes_added = bytes});
}

// ---- time

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

// ---- inspection

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
