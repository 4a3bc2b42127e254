#include "base/strong_id.h"

#include <type_traits>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

template <typename A, typename B>
concept Comparable = requires(A a, B b) {
  a == b;
};

static_assert(Comparable<BlockIndex, BlockIndex>);
static_assert(!Comparable<BlockIndex, TreeIndex>);
static_assert(!std::is_convertible_v<std::uint64_t, BlockIndex>);

TEST(StrongId, NextIsOneMore) { EXPECT_EQ(BlockIndex(41).next(), BlockIndex(42)); }

TEST(StrongId, IsOrderedLikeItsNumber) {
  EXPECT_LT(BlockIndex(1), BlockIndex(2));
  EXPECT_EQ(BlockIndex(), BlockIndex(0));
}

}  // namespace
}  // namespace holdfast
