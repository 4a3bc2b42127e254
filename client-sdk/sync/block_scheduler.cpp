#include "sync/block_scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::sync {

BlockScheduler::BlockScheduler(core::Bitfield const& held) : unavailable_(held) {}

std::uint64_t BlockScheduler::first_open() {
  open_from_ = unavailable_.first_missing(open_from_);
  return open_from_;
}

std::optional<std::uint64_t> BlockScheduler::next(RemoteHave const& remote, std::uint64_t end) {
  std::uint64_t block = first_open();
  while (block < end) {
    std::optional<std::uint64_t> const claimed = remote.first(block, end);
    if (!claimed) return std::nullopt;
    block = unavailable_.first_missing(*claimed);
    if (block == *claimed) return block;
  }
  return std::nullopt;
}

bool BlockScheduler::take(std::uint64_t block, PeerId peer) {
  if (unavailable_.has(block)) return false;
  mixed_ = taken_count_ > 0 && (mixed_ || source_ != peer);
  source_ = peer;
  unavailable_.set(block);
  ++taken_count_;
  return true;
}

void BlockScheduler::release(std::uint64_t block) {
  HOLDFAST_CHECK(unavailable_.has(block) && taken_count_ > 0);
  unavailable_.clear_range(block, block + 1);
  --taken_count_;
  open_from_ = std::min(open_from_, block);
}

void BlockScheduler::held(std::uint64_t block) {
  HOLDFAST_CHECK(unavailable_.has(block) && taken_count_ > 0);
  --taken_count_;
}

void BlockScheduler::truncate(std::uint64_t length) {
  unavailable_.truncate(length);
  open_from_ = std::min(open_from_, length);
}

}  // namespace holdfast::sync
