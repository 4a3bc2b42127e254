#include "discovery/store/breaker.h"

#include <gtest/gtest.h>

namespace holdfast::discovery {

namespace {

using std::chrono::milliseconds;

class BreakerTest : public testing::Test {
 protected:
  void fail(int times) {
    for (int i = 0; i < times; ++i) breaker_.on_failure(now_, rng_);
  }
  Breaker breaker_{
      {.failures_max = 3, .pause_min = milliseconds(100), .pause_max = milliseconds(400)}};
  SeededRng rng_{1};
  Deadline now_{};
};

TEST_F(BreakerTest, LetsCallsThroughUntilEnoughFailedInARow) {
  fail(2);
  EXPECT_TRUE(breaker_.allow(now_));
  breaker_.on_success();
  fail(2);
  EXPECT_TRUE(breaker_.allow(now_));
  fail(1);
  EXPECT_FALSE(breaker_.allow(now_));
}

TEST_F(BreakerTest, LetsOneThroughAfterThePause) {
  fail(3);
  EXPECT_FALSE(breaker_.allow(now_ + milliseconds(49)));
  now_ += milliseconds(100);
  EXPECT_TRUE(breaker_.allow(now_));
  EXPECT_EQ(breaker_.state(), Breaker::State::HalfOpen);
  EXPECT_FALSE(breaker_.allow(now_)) << "one only";
  breaker_.on_success();
  EXPECT_TRUE(breaker_.allow(now_));
  EXPECT_TRUE(breaker_.allow(now_));
}

TEST_F(BreakerTest, PausesGrowUpToABound) {
  fail(3);
  for (int length : {100, 200, 400, 400}) {
    EXPECT_FALSE(breaker_.allow(now_ + milliseconds(length / 2 - 1))) << length;
    now_ += milliseconds(length);
    ASSERT_TRUE(breaker_.allow(now_)) << length;
    breaker_.on_failure(now_, rng_);
  }
}

TEST_F(BreakerTest, FailuresOfCallsThatWereStillOutDoNotProlongThePause) {
  fail(30);
  EXPECT_TRUE(breaker_.allow(now_ + milliseconds(100)));
}

TEST_F(BreakerTest, InstancesComeBackAtDifferentMoments) {
  int early = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SeededRng rng(seed);
    Breaker breaker{
        {.failures_max = 1, .pause_min = milliseconds(100), .pause_max = milliseconds(100)}};
    breaker.on_failure(now_, rng);
    if (breaker.allow(now_ + milliseconds(75))) ++early;
  }
  EXPECT_GT(early, 20);
  EXPECT_LT(early, 80);
}

}  // namespace

}  // namespace holdfast::discovery
