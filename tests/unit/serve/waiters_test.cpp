#include "serve/waiters.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Token = Waiters::Token;

TEST(Waiters, OnlyWhoWaitsForTheEventIsWoken) {
  Waiters waiters(10);
  EXPECT_EQ(waiters.add("a", {0, 1}, 0), Waiters::Added::Waiting);
  EXPECT_EQ(waiters.add("a", {1, 1}, 0), Waiters::Added::Waiting);
  EXPECT_EQ(waiters.add("b", {0, 2}, 0), Waiters::Added::Waiting);
  EXPECT_EQ(waiters.notify("a"), (std::vector<Token>{{0, 1}, {1, 1}}));
  EXPECT_EQ(waiters.notify("a"), std::vector<Token>{});
  EXPECT_EQ(waiters.count(), 1u);
}

TEST(Waiters, ANotificationDuringTheLookIsNotLost) {
  Waiters waiters(10);
  std::uint64_t const before = waiters.sequence();
  waiters.notify("a");
  EXPECT_EQ(waiters.add("a", {0, 1}, before), Waiters::Added::NotifiedMeanwhile);
  EXPECT_EQ(waiters.add("b", {0, 1}, before), Waiters::Added::Waiting);
  EXPECT_EQ(waiters.add("a", {0, 1}, waiters.sequence()), Waiters::Added::Waiting);
}

TEST(Waiters, AfterManyNotificationsItIsSafeRatherThanSure) {
  Waiters waiters(10);
  std::uint64_t const before = waiters.sequence();
  for (int i = 0; i < 1025; ++i) waiters.notify("other");
  EXPECT_EQ(waiters.add("a", {0, 1}, before), Waiters::Added::NotifiedMeanwhile);
  EXPECT_EQ(waiters.add("a", {0, 1}, before + 1), Waiters::Added::Waiting);
}

TEST(Waiters, RemovedOnesAreNotWoken) {
  Waiters waiters(1);
  EXPECT_EQ(waiters.add("a", {0, 1}, 0), Waiters::Added::Waiting);
  EXPECT_EQ(waiters.add("a", {0, 2}, 0), Waiters::Added::Full);
  waiters.remove("a", {0, 1});
  waiters.remove("a", {0, 1});
  EXPECT_EQ(waiters.add("a", {0, 2}, 0), Waiters::Added::Waiting);
  EXPECT_EQ(waiters.notify("a"), (std::vector<Token>{{0, 2}}));
}

}  // namespace
}  // namespace holdfast
