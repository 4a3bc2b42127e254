#include "sync/core_sync.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace holdfast::sync {

namespace {

/// Before any block was seen: large enough that a core of 15 MiB blocks does not flood us.
constexpr std::uint64_t kBlockBytesGuess = 128 * 1024;
constexpr unsigned kStrikesMax = 16;

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

std::vector<Outgoing> CoreSync::take_outgoing() { return std::exchange(outgoing_, {}); }

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

std::optional<std::uint64_t> CoreSync::remote_length() const {
  std::optional<std::uint64_t> longest;
  for (auto const& [peer, channel] : channels_) {
    if (!channel.synced || channel.remote.fork < fork_) continue;
    longest = std::max(longest.value_or(0), channel.remote.length);
  }
  return longest;
}

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
