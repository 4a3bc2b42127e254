#include "discovery/store/redis_resolver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace holdfast::discovery {

namespace {

Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(5); }

TEST(RedisResolver, TakesLiteralsAsTheyAre) {
  RedisResolver resolver;
  auto const four = resolver.resolve("127.0.0.1", 6379, Deadline{});
  ASSERT_TRUE(four.ok()) << "needs no time";
  ASSERT_EQ(four->size(), 1U);
  EXPECT_EQ(four->front().bytes.ss_family, AF_INET);
  auto const six = resolver.resolve("::1", 6379, Deadline{});
  ASSERT_TRUE(six.ok());
  EXPECT_EQ(six->front().bytes.ss_family, AF_INET6);
}

TEST(RedisResolver, RemembersNames) {
  RedisResolver resolver;
  ASSERT_TRUE(resolver.resolve("localhost", 6379, soon()).ok());
  EXPECT_TRUE(resolver.resolve("localhost", 6379, Deadline{}).ok()) << "asked for before";
}

TEST(RedisResolver, DoesNotWaitBeyondTheDeadline) {
  RedisResolver resolver;
  auto const late = resolver.resolve("localhost", 6380, Deadline{});
  if (!late) {
    EXPECT_EQ(late.error().code, ErrorCode::Unavailable);
  }
}

}  // namespace

}  // namespace holdfast::discovery
