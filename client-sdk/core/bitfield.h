#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/store.h"

namespace holdfast::core {

/// Which blocks are held: a sparse set of block numbers in pages of 32,768 bits.
/// Memory: 4 KiB per page that is neither empty nor full; full and empty pages cost one map entry or none.
/// Complexity: has/set O(log pages); range operations O(pages touched).
class Bitfield {
 public:
  bool has(std::uint64_t block) const;
  void set(std::uint64_t block) { set_range(block, block + 1); }
  void set_range(std::uint64_t start, std::uint64_t end);
  void clear_range(std::uint64_t start, std::uint64_t end);
  /// Everything at and above `length` goes.
  void truncate(std::uint64_t length);

  /// Returns: the first block >= from that is not held; always exists.
  std::uint64_t first_missing(std::uint64_t from) const;
  /// Returns: the first held block in [from, end), or nothing.
  std::optional<std::uint64_t> first_held(std::uint64_t from, std::uint64_t end) const;
  /// Blocks held in [start, end).
  std::uint64_t count(std::uint64_t start, std::uint64_t end) const;
  std::uint64_t count() const;
  /// Length of the prefix held without a gap.
  std::uint64_t contiguous() const { return first_missing(0); }
  /// Held ranges in [start, end), clipped, ascending, merged.
  std::vector<BlockRange> ranges(std::uint64_t start, std::uint64_t end) const;
  /// Words of 32 bits for a Bitfield message, bit j of word w is block start + 32 w + j.
  /// Requires: start % 32 == 0. Covers [start, end); bits at and past `end` are zero.
  std::vector<std::uint32_t> words(std::uint64_t start, std::uint64_t end) const;
  /// Overwrites [start, start + 32 * words.size()) with these bits. Requires: start % 32 == 0.
  void assign_words(std::uint64_t start, std::vector<std::uint32_t> const& words);
  /// Pages that cost memory; what a bound is put on when the bits come from a stranger.
  std::size_t page_count() const;
};

}  // namespace holdfast::core
