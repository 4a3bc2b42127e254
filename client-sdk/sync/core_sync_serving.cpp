// What wire peers ask of a core, and the answers.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "sync/core_sync.h"

namespace holdfast::sync {

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

}  // namespace holdfast::sync
