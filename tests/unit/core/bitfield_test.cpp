#include "core/bitfield.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"

namespace holdfast::core {
namespace {

constexpr std::uint64_t kPage = 32'768;

/// The same, naively: a byte for each block. Everything behind its end is missing.
class Model {
 public:
  void set_range(std::uint64_t start, std::uint64_t end) { fill(start, end, 1); }
  void clear_range(std::uint64_t start, std::uint64_t end) { fill(start, end, 0); }
  bool has(std::uint64_t block) const { return block < kBlocks && bytes_[block] != 0; }
  std::uint64_t first_missing(std::uint64_t from) const { return find(from, kBlocks, 0); }
  std::optional<std::uint64_t> first_held(std::uint64_t from, std::uint64_t end) const {
    std::uint64_t const found = find(from, end, 1);
    return found < end ? std::optional(found) : std::nullopt;
  }
  std::uint64_t count(std::uint64_t start, std::uint64_t end) const {
    if (start >= end) return 0;
    return static_cast<std::uint64_t>(std::count(at(start), at(end), 1));
  }

 private:
  static constexpr std::uint64_t kBlocks = 10 * kPage;

  std::string::const_iterator at(std::uint64_t block) const {
    return bytes_.begin() + static_cast<std::ptrdiff_t>(block);
  }
  void fill(std::uint64_t start, std::uint64_t end, char value) {
    if (start < end) bytes_.replace(start, end - start, end - start, value);
  }
  std::uint64_t find(std::uint64_t from, std::uint64_t end, char value) const {
    return from < end ? std::min<std::uint64_t>(end, bytes_.find(value, from)) : end;
  }

  std::string bytes_ = std::string(kBlocks, 0);
};

/// Numbers that like the edges of words and pages.
std::uint64_t near_an_edge(Rng& rng, std::uint64_t pages) {
  std::uint64_t const base =
      rng.below(3) == 0 ? rng.below(pages + 1) * kPage : rng.below(pages * kPage);
  std::uint64_t const offset = rng.below(70);
  return rng.below(2) == 0 ? base + offset : base - std::min(base, offset);
}

void expect_equal(Bitfield const& bits, Model const& model, Rng& rng, std::uint64_t pages) {
  bits.check_invariants();
  for (int i = 0; i < 20; ++i) {
    std::uint64_t const from = near_an_edge(rng, pages);
    std::uint64_t const to = near_an_edge(rng, pages);
    ASSERT_EQ(bits.has(from), model.has(from));
    ASSERT_EQ(bits.first_missing(from), model.first_missing(from));
    ASSERT_EQ(bits.first_held(from, to), model.first_held(from, to)) << from << ".." << to;
    ASSERT_EQ(bits.count(from, to), model.count(from, to)) << from << ".." << to;
  }
  std::uint64_t const start = near_an_edge(rng, pages) / 32 * 32;
  std::uint64_t const end = start + rng.below(2 * kPage);
  std::vector<std::uint32_t> const words = bits.words(start, end);
  ASSERT_EQ(words.size(), (end - start + 31) / 32);
  for (std::uint64_t i = start; i < start + 32 * words.size(); ++i) {
    bool const bit = (words[(i - start) / 32] >> (i % 32) & 1) != 0;
    ASSERT_EQ(bit, i < end && model.has(i)) << i;
  }
}

TEST(Bitfield, AgreesWithPlainBytesThroughRandomOperations) {
  constexpr std::uint64_t kPages = 4;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    SeededRng rng(seed);
    Bitfield bits;
    Model model;
    for (int step = 0; step < 60; ++step) {
      std::uint64_t const a = near_an_edge(rng, kPages);
      std::uint64_t const b = rng.below(3) == 0 ? a + rng.below(100) : near_an_edge(rng, kPages);
      switch (rng.below(6)) {
        case 0:
          bits.clear_range(a, b);
          model.clear_range(a, b);
          break;
        case 1:
          bits.set(a);
          model.set_range(a, a + 1);
          break;
        case 2: {
          std::vector<std::uint32_t> words(rng.below(2'100));
          std::uint64_t const kind = rng.below(3);
          for (std::uint32_t& word : words) {
            word = kind == 0 ? 0 : kind == 1 ? 0xffffffff : static_cast<std::uint32_t>(rng.next());
          }
          std::uint64_t const start = a / 32 * 32;
          bits.assign_words(start, words);
          for (std::uint64_t i = 0; i < 32 * words.size(); ++i) {
            bool const bit = (words[i / 32] >> (i % 32) & 1) != 0;
            if (bit) {
              model.set_range(start + i, start + i + 1);
            } else {
              model.clear_range(start + i, start + i + 1);
            }
          }
          break;
        }
        default:
          bits.set_range(a, b);
          model.set_range(a, b);
      }
      ASSERT_NO_FATAL_FAILURE(expect_equal(bits, model, rng, kPages));
    }
    std::uint64_t const cut = near_an_edge(rng, kPages);
    bits.truncate(cut);
    model.clear_range(cut, 10 * kPage);
    ASSERT_NO_FATAL_FAILURE(expect_equal(bits, model, rng, kPages));
  }
}

TEST(Bitfield, RangesAreClippedAscendingAndMerged) {
  Bitfield bits;
  bits.set_range(3, 10);
  bits.set_range(10, 12);
  bits.set_range(kPage - 1, 3 * kPage + 1);
  EXPECT_EQ(
      bits.ranges(5, 2 * kPage),
      (std::vector<BlockRange>{{.start = 5, .end = 12}, {.start = kPage - 1, .end = 2 * kPage}}));
  EXPECT_TRUE(bits.ranges(12, kPage - 1).empty());
}

TEST(Bitfield, AStrangersHugeRangeCostsAHandfulOfEntries) {
  Bitfield bits;
  bits.set_range(5, std::uint64_t{1} << 53);
  EXPECT_LE(bits.page_count(), 3U);
  EXPECT_EQ(bits.count(), (std::uint64_t{1} << 53) - 5);
  EXPECT_EQ(bits.first_missing(5), std::uint64_t{1} << 53);
  bits.clear_range(0, std::uint64_t{1} << 60);
  EXPECT_EQ(bits.page_count(), 0U);
}

TEST(Bitfield, AFilledPageJoinsTheRunOfFullPagesAroundIt) {
  Bitfield bits;
  bits.set_range(0, kPage);
  bits.set_range(2 * kPage, 3 * kPage);
  for (std::uint64_t i = kPage; i < 2 * kPage; ++i) bits.set(i);
  EXPECT_EQ(bits.page_count(), 1U);
  EXPECT_EQ(bits.contiguous(), 3 * kPage);
  bits.clear_range(kPage + 7, kPage + 8);
  EXPECT_EQ(bits.contiguous(), kPage + 7);
  EXPECT_EQ(bits.page_count(), 3U);
  bits.check_invariants();
}

TEST(Bitfield, EmptyRangesChangeNothing) {
  Bitfield bits;
  bits.set_range(9, 9);
  bits.set_range(9, 3);
  EXPECT_EQ(bits.page_count(), 0U);
  bits.set(4);
  bits.clear_range(4, 4);
  EXPECT_TRUE(bits.has(4));
  EXPECT_TRUE(bits.words(32, 32).empty());
  EXPECT_EQ(bits.first_held(9, 3), std::nullopt);
}

}  // namespace
}  // namespace holdfast::core
