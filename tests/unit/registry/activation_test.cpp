#include "discovery/registry/activation.h"

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

using Begun = ActivationTable::Begun;

DiscoveryKey key_of(Byte name) {
  DiscoveryKey out;
  out.bytes.fill(name);
  return out;
}

PublicKey replicator(Byte name) {
  PublicKey out;
  out.bytes.fill(name);
  return out;
}

Instant at(int ms) { return Instant(Duration(ms)); }

ActivationOptions short_options() {
  ActivationOptions options;
  options.confirm_within = Duration(100);
  options.give_up_after = Duration(1'000);
  options.rest_after_failure = Duration(50);
  options.store_retry = Duration(10);
  options.running_max = 3;
  return options;
}

TEST(ActivationTable, ManyAskersLeadToOneStep) {
  ActivationTable table(short_options());
  EXPECT_EQ(table.begin(key_of(1), {"eu"}, at(0)), Begun::Started);
  EXPECT_EQ(table.begin(key_of(1), {"us"}, at(0)), Begun::Joined);
  std::optional<ActivationTable::Step> const step = table.next_step(at(0));
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->region.label, "eu");
  EXPECT_TRUE(step->tried.empty());
  EXPECT_FALSE(step->instead_of.has_value());
  EXPECT_FALSE(table.next_step(at(0)).has_value());
  EXPECT_EQ(table.begin(key_of(1), {}, at(1)), Begun::Joined);
}

TEST(ActivationTable, SilentCandidateIsReplacedByNameAtItsDeadline) {
  ActivationTable table(short_options());
  table.begin(key_of(1), {}, at(0));
  ASSERT_TRUE(table.next_step(at(0)).has_value());
  table.on_claimed(key_of(1), replicator(7), at(5));
  EXPECT_EQ(table.next_deadline(), at(105));
  EXPECT_FALSE(table.next_step(at(104)).has_value());
  std::optional<ActivationTable::Step> const step = table.next_step(at(105));
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(step->instead_of, replicator(7));
  EXPECT_TRUE(step->tried.contains(replicator(7)));
  EXPECT_EQ(table.counters().passed_on, 1u);
}

TEST(ActivationTable, HostedKeyIsForgottenInEveryState) {
  ActivationTable table(short_options());
  table.begin(key_of(1), {}, at(0));
  table.on_hosted(key_of(1));
  table.begin(key_of(2), {}, at(0));
  ASSERT_TRUE(table.next_step(at(0)).has_value());
  table.on_hosted(key_of(2));
  table.begin(key_of(3), {}, at(0));
  ASSERT_TRUE(table.next_step(at(0)).has_value());
  table.on_claimed(key_of(3), replicator(1), at(0));
  table.on_hosted(key_of(3));
  EXPECT_EQ(table.running(), 0u);
  EXPECT_FALSE(table.next_deadline().has_value());
  EXPECT_EQ(table.counters().confirmed, 3u);
  table.on_claimed(key_of(2), replicator(1), at(1));
  EXPECT_EQ(table.running(), 0u);
}

TEST(ActivationTable, KeyThatNobodyTakesRestsAndMayBeginAgain) {
  ActivationTable table(short_options());
  table.begin(key_of(1), {}, at(0));
  ASSERT_TRUE(table.next_step(at(0)).has_value());
  table.on_nobody_left(key_of(1), at(10));
  EXPECT_EQ(table.begin(key_of(1), {}, at(59)), Begun::Resting);
  EXPECT_FALSE(table.next_step(at(60)).has_value());
  EXPECT_EQ(table.begin(key_of(1), {}, at(60)), Begun::Started);
}

TEST(ActivationTable, GivesUpAfterItsTime) {
  ActivationTable table(short_options());
  table.begin(key_of(1), {}, at(0));
  for (int now = 0; now < 1'000; now += 100) {
    ASSERT_TRUE(table.next_step(at(now)).has_value()) << now;
    table.on_claimed(key_of(1), replicator(static_cast<Byte>(now / 100)), at(now));
  }
  EXPECT_FALSE(table.next_step(at(1'000)).has_value());
  EXPECT_EQ(table.counters().failed, 1u);
  EXPECT_EQ(table.begin(key_of(1), {}, at(1'000)), Begun::Resting);
}

TEST(ActivationTable, StoreThatFailedIsAskedAgainSoon) {
  ActivationTable table(short_options());
  table.begin(key_of(1), {}, at(0));
  ASSERT_TRUE(table.next_step(at(0)).has_value());
  table.on_store_failed(key_of(1), at(0));
  EXPECT_FALSE(table.next_step(at(9)).has_value());
  EXPECT_TRUE(table.next_step(at(10)).has_value());
}

TEST(ActivationTable, RefusesMoreKeysThanItsBound) {
  ActivationTable table(short_options());
  EXPECT_EQ(table.begin(key_of(1), {}, at(0)), Begun::Started);
  EXPECT_EQ(table.begin(key_of(2), {}, at(0)), Begun::Started);
  EXPECT_EQ(table.begin(key_of(3), {}, at(0)), Begun::Started);
  EXPECT_EQ(table.begin(key_of(4), {}, at(0)), Begun::Refused);
  EXPECT_EQ(table.begin(key_of(1), {}, at(0)), Begun::Joined);
}

}  // namespace
}  // namespace holdfast::discovery
