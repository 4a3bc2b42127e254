#include "store/bit_page.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace holdfast::store {
namespace {

using core::BlockRange;

std::vector<BlockRange> ranges_of(BitPage const& page, std::uint64_t offset = 0) {
  std::vector<BlockRange> ranges;
  page.append_to(ranges, offset);
  return ranges;
}

struct RunCase {
  std::uint64_t start;
  std::uint64_t end;
};
void PrintTo(RunCase const& run, std::ostream* out) { *out << run.start << "_" << run.end; }

class BitPageRun : public testing::TestWithParam<RunCase> {};

TEST_P(BitPageRun, IsFiveBytesAndComesBack) {
  BitPage page;
  page.set(GetParam().start, GetParam().end);
  std::string const encoded = page.encode();
  EXPECT_EQ(encoded.size(), 5U);
  EXPECT_EQ(BitPage::decode(encoded), page);
  EXPECT_EQ(ranges_of(page, 4096),
            (std::vector<BlockRange>{{GetParam().start + 4096, GetParam().end + 4096}}));
  page.clear(GetParam().start, GetParam().end);
  EXPECT_TRUE(page.empty());
}
INSTANTIATE_TEST_SUITE_P(Borders, BitPageRun,
                         testing::Values(RunCase{0, 1}, RunCase{0, 63}, RunCase{0, 64},
                                         RunCase{0, 65}, RunCase{63, 64}, RunCase{63, 65},
                                         RunCase{64, 128}, RunCase{100, 3000}, RunCase{0, 4095},
                                         RunCase{0, 4096}, RunCase{4095, 4096}));

TEST(BitPage, RandomPagesAgreeWithAFlagForEachBlock) {
  SeededRng rng(1);
  for (int round = 0; round < 100; ++round) {
    BitPage page;
    std::vector<bool> flags(BitPage::kBits, false);
    for (int change = 0; change < 20; ++change) {
      std::uint64_t const start = rng.below(BitPage::kBits);
      std::uint64_t const end = start + rng.below(BitPage::kBits - start + 1);
      bool const on = rng.below(2) == 0;
      if (on) page.set(start, end);
      if (!on) page.clear(start, end);
      for (std::uint64_t bit = start; bit < end; ++bit) flags[bit] = on;
    }
    std::vector<BlockRange> expected;
    for (std::uint64_t bit = 0; bit < BitPage::kBits; ++bit) {
      if (!flags[bit]) continue;
      if (expected.empty() || expected.back().end != bit) expected.push_back({bit, bit});
      ++expected.back().end;
    }
    ASSERT_EQ(ranges_of(page), expected);
    if (!page.empty()) {
      ASSERT_EQ(BitPage::decode(page.encode()), page);
    }
  }
}

TEST(BitPage, DamagedBytesAreRefused) {
  BitPage run;
  run.set(3, 9);
  BitPage scattered;
  scattered.set(1, 2);
  scattered.set(4000, 4001);
  for (std::string const& good : {run.encode(), scattered.encode()}) {
    for (std::size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(BitPage::decode(std::string_view(good).substr(0, size)).has_value());
    }
    EXPECT_FALSE(BitPage::decode(good + '\0').has_value());
  }
  EXPECT_FALSE(BitPage::decode(std::string("\1\5\0\5\0", 5)).has_value()) << "an empty run";
  EXPECT_FALSE(BitPage::decode(std::string("\1\0\0\1\20", 5)).has_value()) << "past the page";
  EXPECT_FALSE(BitPage::decode(std::string("\2\0\0\1\0", 5)).has_value()) << "unknown form";
  EXPECT_FALSE(BitPage::decode(std::string(513, '\0')).has_value()) << "an empty page has no row";
}

TEST(BitChanges, AFarClearReadsOnlyTheBorderPages) {
  std::vector<std::uint64_t> read;
  BitChanges changes([&](CoreId, std::uint64_t page) -> Result<BitPage> {
    read.push_back(page);
    BitPage full;
    full.set(0, BitPage::kBits);
    return full;
  });
  CoreId const id{5};
  ASSERT_TRUE(changes.clear(id, 10, 1'000 * BitPage::kBits + 7).ok());
  EXPECT_EQ(read, (std::vector<std::uint64_t>{0, 1'000}));
  ASSERT_TRUE(changes.set(id, 500 * BitPage::kBits).ok());
  EXPECT_EQ(read.size(), 2U) << "a dropped page is empty";
  ASSERT_EQ(changes.dropped().size(), 1U);
  EXPECT_EQ(changes.dropped()[0].start, 1U);
  EXPECT_EQ(changes.dropped()[0].end, 1'000U);
  EXPECT_EQ(ranges_of(changes.pages().at({id, 0})), (std::vector<BlockRange>{{0, 10}}));
  EXPECT_EQ(ranges_of(changes.pages().at({id, 500})), (std::vector<BlockRange>{{0, 1}}));
  EXPECT_EQ(ranges_of(changes.pages().at({id, 1'000})), (std::vector<BlockRange>{{7, 4096}}));
}

}  // namespace
}  // namespace holdfast::store
