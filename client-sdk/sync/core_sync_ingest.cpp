// From Data that arrives to blocks that are durable and announced.

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "sync/core_sync.h"

namespace holdfast::sync {

namespace {

/// JavaScript peers hear of new blocks on their own only this near to the end. Source: SPEC 7.4.
constexpr std::uint64_t kAnnounceFromEnd = 256;
/// Answers that fit no present state, one after the other, before the channel is paused.
constexpr unsigned kConflictsMax = 1'024;

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

}  // namespace

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

}  // namespace holdfast::sync
