#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "sync/core_sync.h"
#include "sync/engine.h"
#include "sync/peer_session.h"

// Private to this folder.
namespace holdfast::sync {

/// The tables of an Engine, and what it does with them. Public methods end with settle().
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

}  // namespace holdfast::sync
