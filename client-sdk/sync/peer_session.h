#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "sync/engine.h"
#include "wire/channel_mux.h"
#include "wire/transport.h"

namespace holdfast::sync {

inline constexpr char kHypercoreProtocol[] = "hypercore/alpha";
inline constexpr char kHypercoreAlias[] = "hypercore";

/// One wire peer inside the engine: its transport, its channels, its clocks. The engine decides; this keeps the tables.
///
/// Rules:
///  1. A core has at most one channel here; core_of and channel_of mirror each other.
///  2. `proven` only grows: what was proven on this connection stays proven.
/// Thread-safety: none.
struct PeerSession {
  PeerSession(PeerId id, wire::Role role, KeyPair const& pair, PeerOptions const& options,
              Options const& limits, Instant now);

  /// The own handshake for the Open of this core's channel. Requires: handshake done.
  Bytes open_handshake(CoreKey const& core) const;
  /// Errors: Malformed, BadCapability.
  Result<void> check_handshake(CoreKey const& core, ByteView handshake) const;
  void bind(wire::ChannelId channel, CoreKey const& core);
  /// Forgets a channel. Returns: the core it was for.
  std::optional<CoreKey> unbind(wire::ChannelId channel);
  /// Moves frames from the mux into the transport. Returns: whether there is output to write.
  bool flush(Instant now);

  PeerId id;
  PeerOptions options;
  wire::Transport transport;
  std::optional<wire::ChannelMux> mux;  ///< From the end of the handshake on.

  std::map<wire::ChannelId, CoreKey> core_of;  ///< Live or opening.
  std::map<CoreKey, wire::ChannelId> channel_of;
  std::map<wire::ChannelId, std::string> foreign;
  std::set<CoreKey> proven;
  std::map<CoreKey, std::optional<wire::RemoteOpen>>
      waiting;  ///< For LoadCore: their Open, or ours if nullopt.

  std::set<CoreKey> serve_ready;  ///< Cores with requests that no job has taken.
  CoreKey serve_last;             ///< Round robin over serve_ready.
  std::size_t serve_jobs = 0;

  Instant connected;
  Instant last_read;
  Instant last_write;
  Instant progress;  ///< When more than a keep-alive arrived.
};

}  // namespace holdfast::sync
