#include "discovery/directory/huge_pages.h"

#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

TEST(HugePages, LargePiecesAreWholePagesAndSmallOnesAreOrdinary) {
  HugePages pages;
  for (std::size_t const bytes : {std::size_t{1}, std::size_t{64}, HugePages::kHugeBytes - 1,
                                  HugePages::kHugeBytes, HugePages::kHugeBytes + 1}) {
    void* const piece = pages.allocate(bytes, 64);
    auto const place = reinterpret_cast<std::uintptr_t>(piece);
    EXPECT_EQ(place % (bytes < HugePages::kHugeBytes ? 64 : HugePages::kHugeBytes), 0u) << bytes;
    std::memset(piece, 0xa5, bytes);
    pages.deallocate(piece, bytes, 64);
  }
}

TEST(HugePages, APoolOverThemGivesBackWhatItTook) {
  HugePages pages;
  std::pmr::synchronized_pool_resource pool(
      {.max_blocks_per_chunk = 1u << 16, .largest_required_pool_block = 512}, &pages);
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 30'000; ++i) {  // Several pieces, the last ones large.
    blocks.push_back(pool.allocate(256));
    std::memset(blocks.back(), static_cast<int>(i & 0xff), 256);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(*static_cast<unsigned char*>(blocks[i]), i & 0xff);
    pool.deallocate(blocks[i], 256);
  }
}

}  // namespace
}  // namespace holdfast::discovery
