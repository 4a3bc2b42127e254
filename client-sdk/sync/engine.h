#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "sync/jobs.h"
#include "sync/options.h"
#include "wire/transport.h"

namespace holdfast::sync {

/// Effects: what the shell has to do, in any order and on any thread, and report back.
struct LoadCore {
  CoreKey core;  ///< Store::load(core), then Engine::on_core_loaded.
};
/// Everything the engine asks of its shell. ServeJob: run it over Store::view, then on_served.
/// IngestJob: run it over Store::view, Store::commit the result, then on_ingested.
using Effect = std::variant<LoadCore, ServeJob, IngestJob>;

/// Events: what the shell may want to know.
struct HandshakeDone {
  PeerId peer;
  PublicKey remote_key;
};
/// The engine has forgotten the wire peer: its connection is to be closed, if it is not yet.
struct PeerClosed {
  PeerId peer;
  Error reason;
};
/// A core's channel on this wire peer is live: it has proven that it knows the core key.
struct ChannelLive {
  PeerId peer;
  CoreKey core;
};
/// Something of this core became durable.
struct CoreProgress {
  CoreKey core;
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  std::uint64_t contiguous_length = 0;
  std::uint64_t blocks_added = 0;
  std::uint64_t bytes_added = 0;
};
struct ManifestKnown {
  CoreKey core;
  Bytes manifest;
};
/// A message on a channel of a protocol that Options::foreign_protocols lists.
struct ForeignMessage {
  PeerId peer;
  std::string protocol;
  std::uint64_t type = 0;
  Bytes body;
};
using Event = std::variant<HandshakeDone, PeerClosed, ChannelLive, CoreProgress, ManifestKnown,
                           ForeignMessage>;

struct CoreStatus {
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  std::uint64_t contiguous_length = 0;
  std::uint64_t blocks_held = 0;
  std::size_t channels = 0;
  /// The longest that live wire peers say this fork (or a newer one) is; nothing until one spoke.
  std::optional<std::uint64_t> remote_length;
};

struct PeerOptions {
  /// Open a channel for every hosted root core at once (we dialled, and mean this wire peer to know).
  bool open_all = false;
};

/// The sync engine: every hosted core, every wire peer, no clock, thread, socket or file.
///
/// Pull model: feed it (receive, on_*), then take output of the peers it touched, effects and events until they are empty.
/// Rules:
///  1. Nothing is announced (Sync, Range, Bitfield) before on_ingested reported it durable.
///  2. Every request of a wire peer gets exactly one answer, Data or NoData, unless it cancels or leaves.
///  3. One ingest job per core at a time; what arrives meanwhile forms the next one. Why: group commit without a timer.
///  4. A core is served to a wire peer only on a channel whose capability was checked on this connection.
///     The other cores of a project are opened towards it only once it proved the project's root core.
///  5. Invalid data pauses that wire peer on that core, for longer each time; other cores and peers go on.
///  6. A block in flight at a silent wire peer goes to another one after Options::request_timeout.
/// Thread-safety: none; one thread owns it. Memory: bounded by Options per peer, core and connection.
/// Source: SPEC sections 5 to 9.
class Engine {
 public:
  Engine(Options const& options, Rng& rng);
  ~Engine();

  /// Hosts `core` as part of the project with root core `project` (its own root: core == project). Idempotent.
  void host(CoreKey const& core, CoreKey const& project, Instant now);
  /// Stops hosting; channels of cores that no project holds any more are closed.
  void unhost_project(CoreKey const& project, Instant now);
  bool hosts(CoreKey const& core) const;
  /// Opens a hosted core towards a wire peer that named its key itself. Unknown peers and cores are ignored.
  void open_core(CoreKey const& core, PeerId peer, Instant now);

  PeerId connect(wire::Role role, KeyPair const& static_pair, PeerOptions const& options,
                 Instant now);
  void receive(PeerId peer, ByteView bytes, Instant now);
  /// The connection ended: PeerClosed follows.
  void peer_gone(PeerId peer, Instant now);
  /// Ends the connection from our side: PeerClosed follows.
  void disconnect(PeerId peer, Error reason, Instant now);

  /// Peers that have output or effects since the last call, each once.
  std::vector<PeerId> take_touched();
  /// Bytes for this peer's socket. Empty if there are none or the peer is unknown.
  /// The shell calls on_drained() once they left, which lets queued answers follow.
  Bytes take_output(PeerId peer);
  void on_drained(PeerId peer, Instant now);
  /// False while too much of what was received waits for the disk: stop reading this socket until it is true again.
  bool wants_input(PeerId peer) const;

  std::vector<Effect> take_effects();
  void on_core_loaded(CoreKey const& core, Result<std::optional<core::CoreRecord>> record,
                      Instant now);
  void on_served(ServeResult result, Instant now);
  /// `durable`: what Store::commit said.
  void on_ingested(IngestResult const& result, Result<void> const& durable, Instant now);

  std::optional<Event> next_event();
  std::optional<Instant> next_deadline() const;
  void on_tick(Instant now);

  std::optional<CoreStatus> status(CoreKey const& core) const;
  bool proven(PeerId peer, CoreKey const& core) const;
  Counters const& counters() const;
  void check_invariants() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::sync
