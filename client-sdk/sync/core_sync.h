#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/bitfield.h"
#include "core/store.h"
#include "sync/block_scheduler.h"
#include "sync/channel_state.h"
#include "sync/jobs.h"
#include "sync/options.h"

namespace holdfast::sync {

/// A message for one wire peer, on this core's channel.
struct Outgoing {
  PeerId peer;
  std::uint64_t type = 0;
  Bytes body;
};

/// Replication of one open core with all its wire peers: what to ask whom, what to tell whom, what to serve.
///
/// ```
///   Sync/Range/Bitfield --> who has what --update()--> Request
///   Data --> ingest queue --take_ingest()--> job --on_ingested()--> Sync, Range to everybody
///   Request --> queue --take_serve()--> job --on_served()--> Data, NoData
/// ```
/// Rules:
///  1. What is announced was reported durable by on_ingested().
///  2. One ingest job at a time; one serve job per channel at a time, so that answers leave in order.
///  3. Every request of the remote is answered unless cancelled.
///  4. Our Sync tells the remote's length back (the acknowledgement) whenever the remote is shorter on the same fork
///     and has not heard exactly that. Why: JavaScript peers never upgrade without it. Only the longer side answers.
///  5. Bad data pauses the channel, twice as long each time; a silent one likewise. Its blocks go to others at once.
///  6. Answers that fit no present state (a fork or another upgrade came between) are nobody's fault and asked again.
/// Thread-safety: none.
/// Source: SPEC 7, 9.3 to 9.6.
class CoreSync {
 public:
  CoreSync(CoreKey const& key, core::CoreRecord const& record, Options const& options,
           Counters& counters);

  void open_channel(PeerId peer, Instant now);
  void close_channel(PeerId peer, Instant now);
  /// Errors: Protocol, LimitExceeded: the connection is to be closed.
  Result<void> receive(PeerId peer, wire::Message message, Instant now);
  /// Sends what is due to this peer: Sync, Want, requests. Call after receive() and when time passed.
  void update(PeerId peer, Instant now);
  void update_all(Instant now);
  /// Gives up requests that got no answer. `progress`: when this connection last brought anything.
  void expire(PeerId peer, Instant progress, Instant now);

  /// Returns: requests for a serve job of this peer; empty while one runs or there are none.
  std::vector<wire::Request> take_serve(PeerId peer);
  /// Requires: take_serve(peer) started the job. Channels closed meanwhile are fine.
  void on_served(PeerId peer, std::vector<Answer> answers);

  /// Returns: proofs for an ingest job; empty while one runs or there are none.
  std::vector<merkle::Proof> take_ingest();
  /// Returns: whether it became durable.
  bool on_ingested(IngestResult const& result, Result<void> const& durable, Instant now);

  std::vector<Outgoing> take_outgoing();

  CoreKey const& key() const { return key_; }
  bool has_manifest() const { return !manifest_.empty(); }
  Bytes const& manifest() const { return manifest_; }
  std::uint64_t fork() const { return fork_; }
  std::uint64_t length() const { return length_; }
  core::Bitfield const& held() const { return held_; }
  bool wants_to_serve(PeerId peer) const;
  std::size_t channel_count() const { return channels_.size(); }
  /// The longest that wire peers say this fork or a newer one is; nothing until one spoke.
  std::optional<std::uint64_t> remote_length() const;
  std::vector<PeerId> peers() const;
  /// True while there is nothing under way, so that it can be closed.
  bool idle() const { return channels_.empty() && !ingesting_; }
  bool has_timers() const;
  /// Bytes received and not yet reported by on_ingested().
  std::size_t ingest_bytes() const { return ingest_bytes_; }
  void check_invariants() const;

 private:
  struct Pending {
    PeerId peer;
    InFlight request;
    std::size_t bytes = 0;        ///< All of it, as counted in ingest_bytes_.
    std::size_t block_bytes = 0;  ///< The block's value.
    merkle::Proof proof;
  };

  ChannelState* channel(PeerId peer);
  template <typename M>
  void send(PeerId peer, M const& message) {
    outgoing_.push_back({peer, M::kType, wire::encode(wire::Message(message))});
  }

  void receive_sync(ChannelState& channel, wire::Sync const& sync);
  Result<void> receive_request(ChannelState& channel, wire::Request const& request);
  void receive_cancel(ChannelState& channel, std::uint64_t request);
  void receive_data(PeerId peer, ChannelState& channel, wire::Data data, Instant now);
  void receive_no_data(ChannelState& channel, wire::NoData const& no_data);
  void receive_want(PeerId peer, ChannelState& channel, wire::Want const& want);

  wire::Sync own_sync(ChannelState const& channel) const;
  void send_sync_if_due(PeerId peer, ChannelState& channel);
  bool may_request(ChannelState const& channel, Instant now) const;
  bool request_fork(PeerId peer, ChannelState& channel, Instant now);
  bool request_upgrade(PeerId peer, ChannelState& channel, Instant now);
  void request_blocks(PeerId peer, ChannelState& channel, Instant now);
  void send_wants(PeerId peer, ChannelState& channel, std::uint64_t end);
  void send_request(PeerId peer, ChannelState& channel, merkle::ProofRequest const& what,
                    InFlight const& flight);
  std::size_t window() const;

  void give_back(InFlight const& request);
  void give_back_all(ChannelState& channel);
  void pause(ChannelState& channel, Instant now);
  void judge(Pending const& pending, Result<void> const& verdict, Instant now);
  void follow_fork(std::uint64_t truncated_to);
  void announce(IngestResult const& result, std::uint64_t old_contiguous);

  CoreKey key_;
  Options const& options_;
  Counters& counters_;

  // Durable state, as last reported.
  Bytes manifest_;
  std::uint64_t fork_ = 0;
  std::uint64_t length_ = 0;
  core::Bitfield held_;

  BlockScheduler scheduler_;
  bool upgrade_in_flight_ =
      false;  ///< Asked or waiting in the ingest queue; one at a time per core.
  std::map<PeerId, ChannelState> channels_;
  std::vector<Pending> ingest_queue_;
  std::vector<Pending> ingest_batch_;  ///< In the running job; proofs moved out.
  bool ingesting_ = false;
  std::size_t ingest_bytes_ = 0;
  std::uint64_t
      block_bytes_mean_;  ///< Of blocks seen, decaying; sets how many are asked for at once.
  Instant storage_retry_at_{};
  std::vector<Outgoing> outgoing_;
};

}  // namespace holdfast::sync
