// What a core tells its wire peers about itself, and what it asks them for.

#include <algorithm>

#include "core/proof_planner.h"
#include "sync/core_sync.h"

namespace holdfast::sync {

namespace {

constexpr std::size_t kWindowMin = 4;

}  // namespace

void CoreSync::receive_no_data(ChannelState& channel, wire::NoData const& no_data) {
  auto const found = channel.in_flight.find(no_data.request);
  if (found == channel.in_flight.end()) return;
  InFlight const request = found->second;
  channel.in_flight.erase(found);
  give_back(request);
  if (request.upgrade) channel.upgrade_refused = true;
  // Not there: no candidate for this block until announced again. A refusal because of another fork says nothing.
  if (request.block && request.fork == channel.remote.fork) {
    channel.have.drop(*request.block, *request.block + 1);
  }
}

wire::Sync CoreSync::own_sync(ChannelState const& channel) const {
  wire::Sync out;
  out.fork = fork_;
  out.length = length_;
  out.uploading = true;
  out.downloading = true;  // Otherwise JavaScript peers close the channel when idle.
  out.has_manifest = has_manifest();
  if (!channel.synced) {
    out.can_upgrade = true;
    return out;
  }
  wire::Sync const& remote = channel.remote;
  bool const same_fork = remote.fork == fork_;
  out.remote_length = same_fork ? remote.length : 0;
  out.can_upgrade =
      same_fork && (remote.length == 0 || (remote.length < length_ &&
                                           core::holds_roots_of(held_, length_, remote.length)));
  return out;
}

void CoreSync::send_sync_if_due(PeerId peer, ChannelState& channel) {
  wire::Sync const now = own_sync(channel);
  if (channel.sent_sync) {
    wire::Sync const& before = *channel.sent_sync;
    bool const changed = now.fork != before.fork || now.length != before.length ||
                         now.has_manifest != before.has_manifest;
    // Only the longer side answers a Sync, so that two sides never answer each other for ever.
    bool const remote_shorter =
        channel.synced && channel.remote.fork == fork_ && channel.remote.length < length_;
    bool const ack_due = remote_shorter && (now.remote_length != before.remote_length ||
                                            now.can_upgrade != before.can_upgrade);
    if (!changed && !ack_due) return;
  }
  channel.sent_sync = now;
  send(peer, now);
}

void CoreSync::update_all(Instant now) {
  for (auto& [peer, unused] : channels_) update(peer, now);
}

void CoreSync::update(PeerId peer, Instant now) {
  ChannelState* const state = channel(peer);
  if (state == nullptr) return;
  send_sync_if_due(peer, *state);
  if (!may_request(*state, now)) return;
  if (state->remote.fork > fork_) {
    request_fork(peer, *state, now);
    return;
  }
  if (state->remote.fork < fork_) return;
  request_upgrade(peer, *state, now);
  request_blocks(peer, *state, now);
}

bool CoreSync::may_request(ChannelState const& channel, Instant now) const {
  return channel.synced && channel.remote.uploading && now >= channel.paused_until &&
         now >= storage_retry_at_;
}

void CoreSync::send_request(PeerId peer, ChannelState& channel, merkle::ProofRequest const& what,
                            InFlight const& flight) {
  std::uint64_t const id = channel.next_request_id++;
  channel.in_flight.emplace(id, flight);
  send(peer, wire::Request{.id = id, .fork = flight.fork, .what = what, .priority = 0});
}

bool CoreSync::request_fork(PeerId peer, ChannelState& channel, Instant now) {
  if (upgrade_in_flight_ || channel.upgrade_refused || channel.remote.length == 0) return false;
  merkle::ProofRequest what;
  what.upgrade = merkle::ProofRequest::Upgrade{.start = 0, .length = channel.remote.length};
  what.manifest = !has_manifest() && channel.remote.has_manifest;
  upgrade_in_flight_ = true;
  send_request(peer, channel, what,
               {.fork = channel.remote.fork, .block = {}, .upgrade = true, .sent = now});
  return true;
}

bool CoreSync::request_upgrade(PeerId peer, ChannelState& channel, Instant now) {
  wire::Sync const& remote = channel.remote;
  if (upgrade_in_flight_ || channel.upgrade_refused) return false;
  if (remote.length <= length_ || !remote.can_upgrade || remote.remote_length != length_)
    return false;
  merkle::ProofRequest what;
  what.upgrade = merkle::ProofRequest::Upgrade{.start = length_, .length = remote.length - length_};
  what.manifest = !has_manifest() && remote.has_manifest;
  InFlight flight{.fork = fork_, .block = {}, .upgrade = true, .sent = now};
  // The first new block rides along: one round trip for a live append. From length 0 that is block 0, the only one
  // that cannot lie behind a prologue we do not know yet.
  if (channel.have.has(length_) && scheduler_.take(length_, peer)) {
    what.block = merkle::ProofRequest::Block{.index = BlockIndex(length_), .nodes = 0};
    flight.block = length_;
  }
  upgrade_in_flight_ = true;
  send_request(peer, channel, what, flight);
  return true;
}

std::size_t CoreSync::window() const {
  std::size_t const by_bytes =
      options_.in_flight_bytes_per_peer_max /
      static_cast<std::size_t>(std::max<std::uint64_t>(block_bytes_mean_, 1));
  return std::clamp(by_bytes, kWindowMin, options_.in_flight_per_channel_max);
}

void CoreSync::request_blocks(PeerId peer, ChannelState& channel, Instant now) {
  std::uint64_t const end = std::min(length_, channel.remote.length);
  if (scheduler_.first_open() >= end) return;
  // The remote cannot prove beyond its own tree: its roots must be nodes of ours.
  if (channel.remote.length < length_ &&
      !core::holds_roots_of(held_, length_, channel.remote.length))
    return;
  // What is in flight on this channel will be stored when the next answer arrives, if answers come in order;
  // with two wire peers at work nobody knows the order.
  bool const in_order = channel.in_order && scheduler_.alone(peer);
  core::Bitfield const& expected = in_order ? scheduler_.taken_or_held() : held_;
  std::size_t const limit = window();
  while (channel.in_flight.size() < limit) {
    std::optional<std::uint64_t> const block = scheduler_.next(channel.have, end);
    if (!block) return send_wants(peer, channel, end);
    merkle::ProofRequest what;
    what.block = merkle::ProofRequest::Block{
        .index = BlockIndex(*block),
        .nodes = core::levels_to_known(expected, length_, BlockIndex(*block))};
    scheduler_.take(*block, peer);
    send_request(peer, channel, what,
                 {.fork = fork_, .block = block, .upgrade = false, .sent = now});
  }
}

void CoreSync::send_wants(PeerId peer, ChannelState& channel, std::uint64_t end) {
  std::uint64_t const first = scheduler_.first_open();
  if (first >= end || channel.have.prefix() >= end) return;
  std::uint64_t const segment = first / kWantBlocks;
  if (!channel.wanted_segments.insert(segment).second) return;
  send(peer, wire::Want{.start = segment * kWantBlocks, .length = kWantBlocks, .any = false});
}

}  // namespace holdfast::sync
