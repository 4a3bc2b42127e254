#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/bitfield.h"

namespace holdfast::sync {

/// What one wire peer says it holds of one core: a prefix without a gap, and a bitfield for the rest.
///
/// Rules:
///  1. Bits are claims. They are never more than hints about whom to ask.
///  2. What would take more than `pages_max` pages is ignored. Why: a stranger may claim 2^53 blocks with ten bytes.
///  3. A Bitfield message overrides what was known of its window; Range sets or drops.
/// Source: SPEC 7.4.
class RemoteHave {
 public:
  explicit RemoteHave(std::size_t pages_max) : pages_max_(pages_max) {}

  void set(std::uint64_t start, std::uint64_t end);
  void drop(std::uint64_t start, std::uint64_t end);
  void assign(std::uint64_t start, std::vector<std::uint32_t> const& words);

  bool has(std::uint64_t block) const { return block < prefix_ || bits_.has(block); }
  /// Returns: the first block in [from, end) it claims, or nothing.
  std::optional<std::uint64_t> first(std::uint64_t from, std::uint64_t end) const;
  /// Length of the prefix it claims to hold without a gap, as far as it said so in one piece.
  std::uint64_t prefix() const { return prefix_; }

 private:
  bool fits(std::uint64_t start, std::uint64_t end) const;

  std::size_t pages_max_;
  std::uint64_t prefix_ = 0;
  core::Bitfield bits_;  ///< Blocks >= prefix_; below it bits mean nothing.
};

}  // namespace holdfast::sync
