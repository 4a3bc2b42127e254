#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "wire/channel_mux.h"
#include "wire/messages.h"
#include "wire/transport.h"

namespace holdfast::sync {

/// Every limit of the engine. Defaults follow SPEC section 12.
struct Options {
  wire::TransportOptions transport;
  wire::MuxLimits mux;
  wire::MessageLimits messages;

  Duration handshake_timeout{10'000};
  Duration keep_alive_interval{5'000};   ///< Of write silence, as JavaScript peers do.
  Duration read_timeout{30'000};         ///< Without any byte: the peer is gone.
  Duration request_timeout{20'000};      ///< Without progress of the connection.
  Duration pause_after_bad_data{1'000};  ///< Doubles each time, up to pause_max.
  Duration pause_max{60'000};
  Duration storage_retry{2'000};  ///< After StorageFull or Storage.
  Duration idle_timeout{60'000};  ///< A core without channels is closed after this.

  std::size_t in_flight_per_channel_max = 256;         ///< Block requests of ours.
  std::size_t in_flight_bytes_per_peer_max = 8 << 20;  ///< Estimated by the blocks seen so far.
  std::size_t requests_per_channel_max = 4'096;        ///< Unanswered requests of the remote.
  std::size_t wants_per_channel_max = 512;
  std::size_t remote_pages_per_channel_max =
      1'024;  ///< Pages of a remote bitfield that cost memory.
  std::size_t output_bytes_per_peer_max = 4 << 20;  ///< Above it answers wait.
  std::size_t stalled_output_bytes_max =
      32 << 20;  ///< Above it the wire peer reads too slowly: disconnected.
  std::size_t serve_jobs_per_peer_max = 4;
  std::size_t foreign_channels_per_peer_max = 16;
  std::size_t ingest_bytes_max = 64 << 20;  ///< Received and not yet durable, all peers together.
  std::size_t ingest_batch_proofs_max = 1'024;
  std::size_t ingest_batch_bytes_max = 8 << 20;
  std::size_t serve_batch_requests_max = 64;

  /// Protocols besides hypercore/alpha whose channels are accepted and whose messages become ForeignMessage events.
  std::vector<std::string> foreign_protocols;
};

/// Monotonic counts since the engine was made; the names are those of the metrics.
struct Counters {
  std::uint64_t blocks_received = 0;
  std::uint64_t bytes_received = 0;  ///< Of block values.
  std::uint64_t blocks_served = 0;
  std::uint64_t bytes_served = 0;
  std::uint64_t no_data_sent = 0;
  std::uint64_t requests_expired = 0;
  std::uint64_t forks_followed = 0;
  /// Wire peers refused or paused, by why.
  std::uint64_t bad_capability = 0;
  std::uint64_t bad_proof = 0;
  std::uint64_t bad_signature = 0;
  std::uint64_t bad_handshake = 0;
  std::uint64_t malformed = 0;
  std::uint64_t limit_exceeded = 0;
  std::uint64_t protocol_violation = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t unhosted_opens = 0;
};

}  // namespace holdfast::sync
