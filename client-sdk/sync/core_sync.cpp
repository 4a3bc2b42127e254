#include "sync/core_sync.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/proof_planner.h"

namespace holdfast::sync {

namespace {

/// JavaScript peers want aligned segments of this many blocks and drop longer wants. Source: SPEC 7.4.
constexpr std::uint64_t kWantBlocks = 2'097'152;
/// JavaScript peers hear of new blocks on their own only this near to the end. Source: SPEC 7.4.
constexpr std::uint64_t kAnnounceFromEnd = 256;
/// Before any block was seen: large enough that a core of 15 MiB blocks does not flood us.
constexpr std::uint64_t kBlockBytesGuess = 128 * 1024;
constexpr std::size_t kWindowMin = 4;
/// Answers that fit no present state, one after the other, before the channel is paused.
constexpr unsigned kConflictsMax = 1'024;
constexpr unsigned kStrikesMax = 16;

std::size_t bytes_of(merkle::Proof const& proof) {
  std::size_t bytes = sizeof(merkle::Proof);
  if (proof.block)
    bytes += proof.block->value.size() + proof.block->nodes.size() * sizeof(merkle::Node);
  if (proof.hash) bytes += proof.hash->nodes.size() * sizeof(merkle::Node);
  if (proof.upgrade) {
    bytes += proof.upgrade->signature.size() +
             (proof.upgrade->nodes.size() + proof.upgrade->additional_nodes.size()) *
                 sizeof(merkle::Node);
  }
  return bytes;
}

core::Bitfield bitfield_of(std::vector<core::BlockRange> const& ranges) {
  core::Bitfield out;
  for (core::BlockRange const& range : ranges) out.set_range(range.start, range.end);
  return out;
}

}  // namespace

CoreSync::CoreSync(CoreKey const& key, core::CoreRecord const& record, Options const& options,
                   Counters& counters)
    : key_(key),
      options_(options),
      counters_(counters),
      manifest_(record.manifest),
      fork_(record.head.fork),
      length_(record.head.length),
      held_(bitfield_of(record.blocks)),
      scheduler_(held_),
      block_bytes_mean_(kBlockBytesGuess) {}

ChannelState* CoreSync::channel(PeerId peer) {
  auto const found = channels_.find(peer);
  return found == channels_.end() ? nullptr : &found->second;
}

std::vector<PeerId> CoreSync::peers() const {
  std::vector<PeerId> out;
  out.reserve(channels_.size());
  for (auto const& [peer, unused] : channels_) out.push_back(peer);
  return out;
}

template <typename M>
void CoreSync::send(PeerId peer, M const& message) {
  outgoing_.push_back({peer, M::kType, wire::encode(wire::Message(message))});
}

std::vector<Outgoing> CoreSync::take_outgoing() { return std::exchange(outgoing_, {}); }

// ---- channels

void CoreSync::open_channel(PeerId peer, Instant now) {
  auto const [at, fresh] =
      channels_.emplace(peer, ChannelState(options_.remote_pages_per_channel_max, now));
  HOLDFAST_CHECK(fresh);
  send_sync_if_due(peer, at->second);
  if (std::uint64_t const contiguous = held_.contiguous(); contiguous > 0) {
    send(peer, wire::Range{.drop = false, .start = 0, .length = contiguous});
  }
}

void CoreSync::close_channel(PeerId peer, Instant now) {
  auto const found = channels_.find(peer);
  if (found == channels_.end()) return;
  give_back_all(found->second);
  channels_.erase(found);
  update_all(now);
}

// ---- what the remote says

Result<void> CoreSync::receive(PeerId peer, wire::Message message, Instant now) {
  ChannelState* const state = channel(peer);
  if (state == nullptr) return {};
  if (auto* const data = std::get_if<wire::Data>(&message)) {
    receive_data(peer, *state, std::move(*data), now);
  } else if (auto const* const request = std::get_if<wire::Request>(&message)) {
    return receive_request(*state, *request);
  } else if (auto const* const sync = std::get_if<wire::Sync>(&message)) {
    receive_sync(*state, *sync);
  } else if (auto const* const range = std::get_if<wire::Range>(&message)) {
    // Both were decoded as at most 2^53-1, so the sum fits.
    if (range->drop) {
      state->have.drop(range->start, range->start + range->length);
    } else {
      state->have.set(range->start, range->start + range->length);
    }
  } else if (auto const* const bitfield = std::get_if<wire::Bitfield>(&message)) {
    if (bitfield->start % 32 != 0) return Unexpected(ErrorCode::Protocol, "bitfield not aligned");
    state->have.assign(bitfield->start, bitfield->words);
  } else if (auto const* const no_data = std::get_if<wire::NoData>(&message)) {
    receive_no_data(*state, *no_data);
  } else if (auto const* const want = std::get_if<wire::Want>(&message)) {
    receive_want(peer, *state, *want);
  } else if (auto const* const unwant = std::get_if<wire::Unwant>(&message)) {
    std::erase(state->wants, wire::Want{unwant->start, unwant->length, unwant->any});
  } else if (auto const* const cancel = std::get_if<wire::Cancel>(&message)) {
    receive_cancel(*state, cancel->request);
  }  // Extensions are ignored.
  return {};
}

void CoreSync::receive_sync(ChannelState& channel, wire::Sync const& sync) {
  channel.synced = true;
  channel.remote = sync;
  channel.upgrade_refused = false;
}

Result<void> CoreSync::receive_request(ChannelState& channel, wire::Request const& request) {
  if (channel.queue.size() + channel.serving.size() >= options_.requests_per_channel_max) {
    return Unexpected(ErrorCode::LimitExceeded, "too many unanswered requests");
  }
  // An id that is still outstanding cancels the older request; 0 belongs to conflict probes and is never unique.
  if (request.id != 0) receive_cancel(channel, request.id);
  channel.queue.push_back(request);
  return {};
}

void CoreSync::receive_cancel(ChannelState& channel, std::uint64_t request) {
  auto const queued = std::find_if(channel.queue.begin(), channel.queue.end(),
                                   [request](wire::Request const& r) { return r.id == request; });
  if (queued != channel.queue.end()) {
    channel.queue.erase(queued);
    return;
  }
  bool const running = std::any_of(channel.serving.begin(), channel.serving.end(),
                                   [request](wire::Request const& r) { return r.id == request; });
  if (running) channel.cancelled.insert(request);
}

void CoreSync::receive_data(PeerId peer, ChannelState& channel, wire::Data data, Instant now) {
  auto const found = channel.in_flight.find(data.request);
  if (found == channel.in_flight.end())
    return;  // Unsolicited, cancelled or given up: ignored by rule.
  InFlight const request = found->second;
  channel.in_flight.erase(found);

  bool const block_fits =
      !request.block || (data.proof.block && data.proof.block->index.value() == *request.block);
  bool const unasked = (data.proof.block && !request.block) ||
                       (data.proof.upgrade && !request.upgrade) ||
                       (request.upgrade && !data.proof.upgrade);
  if (data.proof.fork != request.fork || !block_fits || unasked) {
    give_back(request);
    ++counters_.bad_proof;
    pause(channel, now);
    return;
  }
  if (request.fork < fork_) {
    give_back(request);
    return;
  }
  std::size_t const bytes = bytes_of(data.proof);
  ingest_bytes_ += bytes;
  std::size_t const block_bytes = data.proof.block ? data.proof.block->value.size() : 0;
  ingest_queue_.push_back({peer, request, bytes, block_bytes, std::move(data.proof)});
}

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

void CoreSync::receive_want(PeerId peer, ChannelState& channel, wire::Want const& want) {
  if (want.length > kWantBlocks) return;
  std::uint64_t const end = want.start + want.length;
  if (std::find(channel.wants.begin(), channel.wants.end(), want) == channel.wants.end() &&
      channel.wants.size() < options_.wants_per_channel_max) {
    channel.wants.push_back(want);
  }
  std::uint64_t const contiguous = held_.contiguous();
  bool const all = contiguous > 0 && contiguous >= length_;
  if (all || (contiguous > 0 && end <= contiguous) || (want.any && want.start < contiguous)) {
    send(peer, wire::Range{.drop = false, .start = 0, .length = contiguous});
    return;
  }
  std::uint64_t const clipped = std::min(end, length_);
  if (want.any) {
    if (std::optional<std::uint64_t> const first = held_.first_held(want.start, clipped)) {
      send(peer, wire::Range{.drop = false, .start = *first, .length = 1});
    }
    return;
  }
  std::uint64_t const start = want.start - want.start % 32;
  if (start >= clipped) return;
  send(peer, wire::Bitfield{.start = start, .words = held_.words(start, clipped)});
}

// ---- what we say and ask

std::optional<std::uint64_t> CoreSync::remote_length() const {
  std::optional<std::uint64_t> longest;
  for (auto const& [peer, channel] : channels_) {
    if (!channel.synced || channel.remote.fork < fork_) continue;
    longest = std::max(longest.value_or(0), channel.remote.length);
  }
  return longest;
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

// ---- giving back, pausing, expiring

void CoreSync::give_back(InFlight const& request) {
  if (request.block) scheduler_.release(*request.block);
  if (request.upgrade) upgrade_in_flight_ = false;
}

void CoreSync::give_back_all(ChannelState& channel) {
  for (auto const& [id, request] : channel.in_flight) give_back(request);
  channel.in_flight.clear();
}

void CoreSync::pause(ChannelState& channel, Instant now) {
  channel.strikes = std::min(channel.strikes + 1, kStrikesMax);
  Duration const pause = options_.pause_after_bad_data * (std::int64_t{1} << (channel.strikes - 1));
  channel.paused_until = now + std::min(pause, options_.pause_max);
  give_back_all(channel);
}

void CoreSync::expire(PeerId peer, Instant progress, Instant now) {
  ChannelState* const state = channel(peer);
  if (state == nullptr) return;
  bool const late =
      std::any_of(state->in_flight.begin(), state->in_flight.end(), [&](auto const& entry) {
        return std::max(entry.second.sent, progress) + options_.request_timeout <= now;
      });
  if (!late) return;
  counters_.requests_expired += state->in_flight.size();
  for (auto const& [id, request] : state->in_flight) send(peer, wire::Cancel{.request = id});
  pause(*state, now);
  update_all(now);
}

bool CoreSync::has_timers() const {
  return std::any_of(channels_.begin(), channels_.end(),
                     [](auto const& entry) {
                       return !entry.second.in_flight.empty() || entry.second.strikes > 0;
                     }) ||
         storage_retry_at_ != Instant{};
}

// ---- serving

bool CoreSync::wants_to_serve(PeerId peer) const {
  auto const found = channels_.find(peer);
  return found != channels_.end() && found->second.serving.empty() && !found->second.queue.empty();
}

std::vector<wire::Request> CoreSync::take_serve(PeerId peer) {
  if (!wants_to_serve(peer)) return {};
  ChannelState& state = channels_.at(peer);
  std::size_t const count = std::min(state.queue.size(), options_.serve_batch_requests_max);
  for (std::size_t i = 0; i < count; ++i) {
    state.serving.push_back(state.queue.front());
    state.queue.pop_front();
  }
  return state.serving;
}

void CoreSync::on_served(PeerId peer, std::vector<Answer> answers) {
  ChannelState* const state = channel(peer);
  if (state == nullptr || state->serving.empty())
    return;  // Closed, perhaps opened again, meanwhile.
  HOLDFAST_CHECK(answers.size() <= state->serving.size());
  std::size_t const count = answers.size();
  for (Answer& answer : answers) {
    if (state->cancelled.contains(answer.request)) continue;
    if (answer.type == wire::Data::kType) {
      if (answer.block_bytes > 0) ++counters_.blocks_served;
      counters_.bytes_served += answer.block_bytes;
    } else {
      ++counters_.no_data_sent;
    }
    outgoing_.push_back({peer, answer.type, std::move(answer.body)});
  }
  // What the job did not come to goes back to the front, in order.
  for (std::size_t i = state->serving.size(); i > count; --i) {
    wire::Request const& rest = state->serving[i - 1];
    if (!state->cancelled.contains(rest.id)) state->queue.push_front(rest);
  }
  state->serving.clear();
  state->cancelled.clear();
}

// ---- ingesting

std::vector<merkle::Proof> CoreSync::take_ingest() {
  if (ingesting_ || ingest_queue_.empty()) return {};
  std::vector<merkle::Proof> out;
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < ingest_queue_.size() && count < options_.ingest_batch_proofs_max &&
         (count == 0 || bytes + ingest_queue_[count].bytes <= options_.ingest_batch_bytes_max)) {
    bytes += ingest_queue_[count].bytes;
    out.push_back(std::move(ingest_queue_[count].proof));
    ++count;
  }
  auto const cut = ingest_queue_.begin() + static_cast<std::ptrdiff_t>(count);
  ingest_batch_.assign(std::make_move_iterator(ingest_queue_.begin()),
                       std::make_move_iterator(cut));
  ingest_queue_.erase(ingest_queue_.begin(), cut);
  ingesting_ = true;
  return out;
}

bool CoreSync::on_ingested(IngestResult const& result, Result<void> const& durable, Instant now) {
  HOLDFAST_CHECK(ingesting_ && result.verdicts.size() == ingest_batch_.size());
  std::vector<Pending> const batch = std::exchange(ingest_batch_, {});
  ingesting_ = false;
  for (Pending const& pending : batch) ingest_bytes_ -= pending.bytes;

  if (!durable) {
    for (Pending const& pending : batch) give_back(pending.request);
    storage_retry_at_ = now + options_.storage_retry;
    return false;
  }
  storage_retry_at_ = Instant{};

  std::uint64_t const old_contiguous = held_.contiguous();
  // Everything of the batch is given back first; what was added is then taken as held. So a fork in the middle of a
  // batch needs no case of its own.
  for (Pending const& pending : batch) give_back(pending.request);
  for (std::size_t i = 0; i < batch.size(); ++i) judge(batch[i], result.verdicts[i], now);
  bool const forked = result.fork != fork_;
  fork_ = result.fork;
  length_ = result.length;
  if (result.manifest) manifest_ = *result.manifest;
  if (result.truncated_to) follow_fork(*result.truncated_to);
  for (std::uint64_t const block : result.blocks) {
    held_.set(block);
    if (scheduler_.take(block, PeerId())) scheduler_.held(block);
  }
  if (forked) ++counters_.forks_followed;
  announce(result, forked ? 0 : old_contiguous);
  update_all(now);
  return true;
}

void CoreSync::judge(Pending const& pending, Result<void> const& verdict, Instant now) {
  ChannelState* const state = channel(pending.peer);
  if (verdict) {
    if (pending.request.block) {
      ++counters_.blocks_received;
      counters_.bytes_received += pending.block_bytes;
      block_bytes_mean_ = (block_bytes_mean_ * 15 + pending.bytes) / 16;
    }
    if (state != nullptr) {
      state->strikes = 0;
      state->conflicts = 0;
    }
    return;
  }
  switch (verdict.error().code) {
    case ErrorCode::Conflict:
    case ErrorCode::NotFound:
      if (state == nullptr) return;
      state->in_order = false;
      if (++state->conflicts >= kConflictsMax) pause(*state, now);
      return;
    case ErrorCode::Storage:
    case ErrorCode::StorageFull:
      storage_retry_at_ = now + options_.storage_retry;
      return;
    case ErrorCode::BadSignature:
      ++counters_.bad_signature;
      break;
    case ErrorCode::BadProof:
    case ErrorCode::Malformed:
    case ErrorCode::LimitExceeded:
    case ErrorCode::BadCapability:
    case ErrorCode::BadHandshake:
    case ErrorCode::Protocol:
    case ErrorCode::Denied:
    case ErrorCode::Unavailable:
      ++counters_.bad_proof;
      break;
  }
  if (state != nullptr) pause(*state, now);
}

void CoreSync::follow_fork(std::uint64_t truncated_to) {
  // Requests for the old fork, and answers to them that still wait, are void.
  for (auto& [peer, state] : channels_) give_back_all(state);
  for (Pending const& pending : ingest_queue_) {
    give_back(pending.request);
    ingest_bytes_ -= pending.bytes;
  }
  ingest_queue_.clear();
  std::vector<core::BlockRange> const lost = held_.ranges(truncated_to, ~std::uint64_t{0} >> 1);
  held_.truncate(truncated_to);
  scheduler_.truncate(truncated_to);
  for (auto& [peer, state] : channels_) {
    for (core::BlockRange const& range : lost) {
      send(peer,
           wire::Range{.drop = true, .start = range.start, .length = range.end - range.start});
    }
  }
}

void CoreSync::announce(IngestResult const& result, std::uint64_t old_contiguous) {
  std::uint64_t const contiguous = held_.contiguous();
  std::vector<core::BlockRange> runs;
  for (std::uint64_t const block : result.blocks) {
    if (block < contiguous) continue;
    if (!runs.empty() && runs.back().end == block) {
      ++runs.back().end;
    } else {
      runs.push_back({block, block + 1});
    }
  }
  for (auto& [peer, state] : channels_) {
    // The new length first: a remote that hears of blocks beyond the length it knows may not ask for them.
    send_sync_if_due(peer, state);
    if (contiguous > old_contiguous) {
      send(peer, wire::Range{.drop = false, .start = 0, .length = contiguous});
    }
    for (core::BlockRange const& run : runs) {
      bool const near_end = run.end + kAnnounceFromEnd > length_;
      bool const wanted =
          std::any_of(state.wants.begin(), state.wants.end(), [&run](wire::Want const& want) {
            return run.start < want.start + want.length && want.start < run.end;
          });
      if (!near_end && !wanted) continue;
      send(peer, wire::Range{.drop = false, .start = run.start, .length = run.end - run.start});
    }
  }
}

void CoreSync::check_invariants() const {
  std::uint64_t taken = 0;
  for (auto const& [peer, state] : channels_) {
    for (auto const& [id, request] : state.in_flight) taken += request.block ? 1u : 0u;
    HOLDFAST_CHECK(state.queue.size() + state.serving.size() <= options_.requests_per_channel_max);
    HOLDFAST_CHECK(state.wants.size() <= options_.wants_per_channel_max);
  }
  for (Pending const& pending : ingest_queue_) taken += pending.request.block ? 1u : 0u;
  for (Pending const& pending : ingest_batch_) taken += pending.request.block ? 1u : 0u;
  HOLDFAST_CHECK(taken == scheduler_.taken_count());
  HOLDFAST_CHECK(held_.contiguous() <= length_);
}

}  // namespace holdfast::sync
