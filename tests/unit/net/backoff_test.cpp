#include "net/backoff.h"

#include <gtest/gtest.h>

namespace holdfast::net {
namespace {

TEST(FullJitter, StaysBelowTheDoublingCeilingAndTheCap) {
  BackoffOptions const options{.base = Duration(100), .cap = Duration(1'000)};
  SeededRng rng(7);
  for (unsigned failures = 0; failures < 100; ++failures) {
    Duration const ceiling = failures < 4 ? Duration(100) * (1 << failures) : Duration(1'000);
    for (int i = 0; i < 100; ++i) {
      Duration const delay = full_jitter(options, failures, rng);
      EXPECT_GE(delay, Duration(0));
      EXPECT_LE(delay, ceiling);
    }
  }
}

TEST(FullJitter, UsesTheWholeRange) {
  BackoffOptions const options{.base = Duration(1'000), .cap = Duration(1'000)};
  SeededRng rng(7);
  Duration least(1'000);
  Duration most(0);
  for (int i = 0; i < 1'000; ++i) {
    Duration const delay = full_jitter(options, 0, rng);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_LT(least, Duration(50));
  EXPECT_GT(most, Duration(950));
}

TEST(Backoff, GrowsUntilAConnectionLasted) {
  Backoff backoff({.base = Duration(100), .cap = Duration(60'000)});
  SeededRng rng(1);
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.next(rng));
  EXPECT_EQ(backoff.failures(), 5U);
  backoff.connection_ended(Duration(9'999));
  EXPECT_EQ(backoff.failures(), 5U) << "a server that hangs up at once is still failing";
  backoff.connection_ended(Duration(10'000));
  EXPECT_EQ(backoff.failures(), 0U);
}

TEST(Backoff, NeverComesBackBeforeRetryAfter) {
  Backoff backoff({.base = Duration(100), .cap = Duration(200)});
  SeededRng rng(1);
  for (int i = 0; i < 100; ++i) {
    Duration const delay = backoff.next(rng, Duration(5'000));
    EXPECT_GE(delay, Duration(5'000));
    EXPECT_LE(delay, Duration(5'200));
  }
}

TEST(Backoff, NoServerCanStopItForGood) {
  Backoff backoff(
      {.base = Duration(0), .cap = Duration(0), .retry_after_max = Duration(3'600'000)});
  SeededRng rng(1);
  EXPECT_EQ(backoff.next(rng, Duration(1'000'000'000)), Duration(3'600'000));
  EXPECT_EQ(backoff.next(rng, Duration(-5)), Duration(0));
}

TEST(Backoff, AThousandFailuresDoNotOverflow) {
  Backoff backoff({.base = Duration(500), .cap = Duration(60'000)});
  SeededRng rng(3);
  for (int i = 0; i < 1'000; ++i) EXPECT_LE(backoff.next(rng), Duration(60'000));
}

}  // namespace
}  // namespace holdfast::net
