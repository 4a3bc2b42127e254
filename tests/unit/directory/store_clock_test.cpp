#include "discovery/directory/store_clock.h"

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

Instant at(std::int64_t ms) { return Instant(Duration(ms)); }

TEST(StoreClock, TheQuickestMessageCounts) {
  StoreClock clock;
  clock.learn(1'000'000, at(500));
  EXPECT_EQ(clock.unix_ms(at(500)), 1'000'000);
  clock.learn(1'000'100, at(580));
  EXPECT_EQ(clock.unix_ms(at(600)), 1'000'120) << "it took 20 ms less";
  clock.learn(1'000'200, at(10'000));
  EXPECT_EQ(clock.unix_ms(at(10'000)), 1'009'520) << "one that was held up says nothing new";
}

TEST(StoreClock, OldMessagesAreForgotten) {
  StoreClock clock;
  clock.learn(1'000'000, at(0));
  clock.learn(1'399'000, at(400'000));
  EXPECT_EQ(clock.unix_ms(at(400'000)), 1'400'000);
  clock.learn(1'799'000, at(800'000));
  EXPECT_EQ(clock.unix_ms(at(800'000)), 1'799'000) << "set back by a second";
}

TEST(StoreClock, AfterAnotherStoreNothingOldCounts) {
  StoreClock clock;
  clock.learn(9'000'000, at(0));
  clock.forget();
  clock.learn(1'000'000, at(10));
  EXPECT_EQ(clock.unix_ms(at(20)), 1'000'010);
}

}  // namespace
}  // namespace holdfast::discovery
