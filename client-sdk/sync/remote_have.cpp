#include "sync/remote_have.h"

#include <algorithm>

namespace holdfast::sync {

namespace {

constexpr std::uint64_t kBlocksPerPage = 32'768;  // As in core::Bitfield; only bounds depend on it.

}  // namespace

bool RemoteHave::fits(std::uint64_t start, std::uint64_t end) const {
  return bits_.page_count() + (end - start) / kBlocksPerPage + 2 <= pages_max_;
}

void RemoteHave::set(std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  if (start <= prefix_) {
    prefix_ = std::max(prefix_, end);
    return;
  }
  if (fits(start, end)) bits_.set_range(start, end);
}

void RemoteHave::drop(std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  std::uint64_t const old_prefix = prefix_;
  // Bits below the prefix mean nothing, so those that stay behind the cut are written down before it shrinks.
  if (start < old_prefix) {
    prefix_ = start;
    if (fits(start, old_prefix)) bits_.set_range(start, old_prefix);
  }
  if (start < old_prefix || fits(start, end)) bits_.clear_range(start, end);
}

void RemoteHave::assign(std::uint64_t start, std::vector<std::uint32_t> const& words) {
  std::uint64_t const end = start + 32 * words.size();
  if (!fits(start, end)) return;
  if (start < prefix_) {
    std::uint64_t const old_prefix = prefix_;
    prefix_ = start;
    if (fits(start, old_prefix)) bits_.set_range(start, old_prefix);
  }
  bits_.assign_words(start, words);
}

std::optional<std::uint64_t> RemoteHave::first(std::uint64_t from, std::uint64_t end) const {
  if (from >= end) return std::nullopt;
  if (from < prefix_) return from;
  return bits_.first_held(from, end);
}

}  // namespace holdfast::sync
