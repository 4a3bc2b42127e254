#include "sync/block_scheduler.h"

#include <gtest/gtest.h>

namespace holdfast::sync {
namespace {

PeerId const kAnna(1);
PeerId const kBert(2);

RemoteHave claims(std::uint64_t start, std::uint64_t end) {
  RemoteHave have(64);
  have.set(start, end);
  return have;
}

TEST(BlockScheduler, GivesTheLowestMissingBlockThatIsClaimed) {
  core::Bitfield held;
  held.set_range(0, 3);
  BlockScheduler scheduler(held);
  EXPECT_EQ(scheduler.next(claims(0, 10), 10), 3u);
  EXPECT_EQ(scheduler.next(claims(5, 10), 10), 5u);
  EXPECT_EQ(scheduler.next(claims(0, 3), 10), std::nullopt);
}

TEST(BlockScheduler, ATakenBlockIsNotGivenAgainUntilReleased) {
  BlockScheduler scheduler{core::Bitfield()};
  ASSERT_TRUE(scheduler.take(0, kAnna));
  EXPECT_FALSE(scheduler.take(0, kBert));
  EXPECT_EQ(scheduler.next(claims(0, 2), 2), 1u);
  scheduler.release(0);
  EXPECT_EQ(scheduler.next(claims(0, 2), 2), 0u);
}

TEST(BlockScheduler, AHeldBlockIsNeverGivenAgain) {
  BlockScheduler scheduler{core::Bitfield()};
  ASSERT_TRUE(scheduler.take(0, kAnna));
  scheduler.held(0);
  EXPECT_EQ(scheduler.taken_count(), 0u);
  EXPECT_EQ(scheduler.next(claims(0, 1), 1), std::nullopt);
}

TEST(BlockScheduler, ATruncationMakesBlocksMissing) {
  core::Bitfield held;
  held.set_range(0, 10);
  BlockScheduler scheduler(held);
  EXPECT_EQ(scheduler.first_open(), 10u);
  scheduler.truncate(4);
  EXPECT_EQ(scheduler.first_open(), 4u);
}

TEST(BlockScheduler, KnowsWhetherOneWirePeerWorksAlone) {
  BlockScheduler scheduler{core::Bitfield()};
  ASSERT_TRUE(scheduler.take(0, kAnna));
  EXPECT_TRUE(scheduler.alone(kAnna));
  EXPECT_FALSE(scheduler.alone(kBert));
  ASSERT_TRUE(scheduler.take(1, kBert));
  EXPECT_FALSE(scheduler.alone(kAnna));
  scheduler.release(0);
  scheduler.release(1);
  EXPECT_TRUE(scheduler.alone(kAnna));
}

}  // namespace
}  // namespace holdfast::sync
