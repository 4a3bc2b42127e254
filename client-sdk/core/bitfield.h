#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/store.h"

namespace holdfast::core {

/// Which blocks are held: a sparse set of block numbers in pages of 32,768 bits.
/// Memory: 4 KiB per page that is neither empty nor full; a run of full pages costs one map entry,
/// an empty page nothing. Complexity: has/set O(log pages); range operations O(pages touched that
/// are neither empty nor full). Requires everywhere: block numbers below 2^63.
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
  /// Map entries that cost memory: pages and runs of full pages; what a bound is put on when the
  /// bits come from a stranger.
  std::size_t page_count() const { return pages_.size() + full_.size(); }

  /// Holds for every history of calls; for tests.
  void check_invariants() const;

 private:
  /// Some bits are set and some are not. Bit j of word w is block 64 w + j of the page.
  struct Page {
    std::vector<std::uint64_t> words;
    std::uint64_t held = 0;
  };
  /// One page, and what of it a range covers: bits [from, to).
  struct Part {
    std::uint64_t page = 0;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
  };

  bool is_full(std::uint64_t page) const;
  void set_part(Part const& part);
  void clear_part(Part const& part);
  void set_pages(std::uint64_t first, std::uint64_t last);
  void clear_pages(std::uint64_t first, std::uint64_t last);
  /// Returns: the page as one that can be written to; `settle` must follow.
  Page& open_page(std::uint64_t page);
  /// Turns a page that became empty or full into what costs less.
  void settle(std::uint64_t page);

  std::map<std::uint64_t, Page> pages_;  ///< By page number; neither empty nor full.
  std::map<std::uint64_t, std::uint64_t>
      full_;  ///< Runs of full pages: first -> one past the last; not touching.
};

}  // namespace holdfast::core
