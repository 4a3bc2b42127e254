#include "replicator/daemon/breakable_sleep.h"

#include <future>

#include <gtest/gtest.h>

namespace holdfast::replicator {
namespace {

/// So long that a test which waits for it to end fails.
constexpr Duration kForever{3'600'000};

TEST(BreakableSleep, EndsByItself) {
  BreakableSleep rest;
  EXPECT_TRUE(rest.sleep(Duration(1)));
  EXPECT_TRUE(rest.sleep(Duration(0)));
  EXPECT_TRUE(rest.sleep(Duration(-1)));
}

TEST(BreakableSleep, AWakeBeforehandEndsTheNextSleepOnly) {
  BreakableSleep rest;
  rest.wake();
  rest.wake();
  EXPECT_FALSE(rest.sleep(kForever));
  EXPECT_TRUE(rest.sleep(Duration(1)));
  EXPECT_FALSE(rest.stopped());
}

TEST(BreakableSleep, AWakeEndsASleepUnderWay) {
  BreakableSleep rest;
  auto slept = std::async(std::launch::async, [&rest] { return rest.sleep(kForever); });
  rest.wake();
  EXPECT_FALSE(slept.get());
}

TEST(BreakableSleep, AfterAStopNobodySleeps) {
  BreakableSleep rest;
  auto slept = std::async(std::launch::async, [&rest] { return rest.sleep(kForever); });
  rest.stop();
  EXPECT_FALSE(slept.get());
  EXPECT_FALSE(rest.sleep(kForever));
  EXPECT_FALSE(rest.sleep(kForever));
  EXPECT_TRUE(rest.stopped());
}

}  // namespace
}  // namespace holdfast::replicator
