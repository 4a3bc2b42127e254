#include "discovery/probe/recheck_plan.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/probe/health_rules.h"

namespace holdfast::discovery {
namespace {

constexpr Duration kLease{60'000};
ProbeReport const kPass{ProbeStep::Passed, ""};
ProbeReport const kFail{ProbeStep::Connect, "connect failed"};

Health health(SelfTest test) {
  Health out;
  out.self_test = test;
  out.last_pass_unix_ms = 1;
  return out;
}

TEST(HealthRules, TheFirstTestDecides) {
  EXPECT_EQ(after_test({}, kPass, 5).self_test, SelfTest::Passed);
  EXPECT_EQ(after_test({}, kPass, 5).last_pass_unix_ms, 5u);
  Health const failed = after_test({}, kFail, 5);
  EXPECT_EQ(failed.self_test, SelfTest::Failed);
  EXPECT_EQ(failed.transcript, "connect failed");
  EXPECT_EQ(after_test({}, {ProbeStep::Skipped, "busy"}, 5), Health{});
}

TEST(HealthRules, ThreeFailuresTakeOutAndTwoPassesBringBack) {
  Health now = health(SelfTest::Passed);
  now = after_test(after_test(now, kFail, 1), kFail, 1);
  EXPECT_FALSE(now.is_out);
  now = after_test(now, kFail, 1);
  EXPECT_TRUE(now.is_out);
  now = after_test(now, kPass, 1);
  EXPECT_TRUE(now.is_out) << "one pass could be chance";
  EXPECT_FALSE(after_test(now, kPass, 1).is_out);
  EXPECT_TRUE(after_test(after_test(now, kFail, 1), kPass, 1).is_out);
}

TEST(HealthRules, FlappingBelowTheThresholdStaysListed) {
  Health now = health(SelfTest::Passed);
  for (int i = 0; i < 20; ++i) {
    now = after_test(after_test(after_test(now, kFail, 1), kFail, 1), kPass, 1);
    EXPECT_FALSE(now.is_out);
  }
}

TEST(HealthRules, ANameThatLeadsInsideIsOutAtOnce) {
  EXPECT_TRUE(after_test(health(SelfTest::Passed), {ProbeStep::Refused, "private"}, 1).is_out);
}

/// Practice defect 5: a row of failed tests, perhaps by our own network's fault, must not end a node for ever.
TEST(HealthRules, Defect5NoRowOfFailuresIsForEver) {
  Health now = health(SelfTest::Passed);
  for (int i = 0; i < 10'000; ++i) now = after_test(now, kFail, 1);
  SeededRng rng(1);
  EXPECT_LE(recheck_delay(now, kLease, Duration(0), rng), kLease * 80);
  EXPECT_FALSE(after_test(after_test(now, kPass, 1), kPass, 1).is_out);
  EXPECT_EQ(after_test(health(SelfTest::Failed), kPass, 1).self_test, SelfTest::Passed);
}

TEST(HealthRules, TheDeadAreAskedLessAndLess) {
  SeededRng rng(1);
  Health now = health(SelfTest::Passed);
  Duration last{0};
  for (int i = 0; i < 9; ++i) {
    now = after_test(now, kFail, 1);
    Duration const delay = recheck_delay(now, kLease, Duration(0), rng);
    if (i > 3) {
      EXPECT_GT(delay, last);
    }
    last = delay;
  }
  EXPECT_LE(last, kLease * 80);
}

TEST(HealthRules, OnlyTheHealthyWaitForTheirRound) {
  SeededRng rng(1);
  Duration const round = kLease * 100;
  Health const passed = after_test(health(SelfTest::Passed), kPass, 1);
  EXPECT_GE(recheck_delay(passed, kLease, round, rng), round * 3 / 4);
  EXPECT_LE(recheck_delay(passed, kLease, Duration(0), rng), kLease * 5 / 4);
  EXPECT_LE(recheck_delay(after_test(passed, kFail, 2), kLease, round, rng), kLease)
      << "one that failed is asked again soon";
  EXPECT_LE(recheck_delay(health(SelfTest::Pending), kLease, round, rng), kLease * 5 / 4);
}

class RecheckPlanTest : public testing::Test {
 protected:
  RecheckPlanTest() : plan(kLease, "a") { EXPECT_TRUE(init_crypto().ok()); }

  static ReplicatorEntry entry(Byte number, SelfTest test, std::uint64_t seq = 1) {
    Seed seed;
    seed.bytes.fill(number);
    KeyPair const pair = KeyPair::from_seed(seed);
    registration::Record record;
    record.id = pair.public_key;
    record.seq = seq;
    record.addresses = {{registration::AddressKind::Tcp, "", 4838, ""}};
    ReplicatorEntry out;
    out.id = pair.public_key;
    out.signed_record = registration::sign_record(record, pair)->bytes;
    out.observed_host = "198.41.0.4";
    out.health = health(test);
    out.lease_left = kLease;
    return out;
  }
  std::size_t due_until(Duration after) {
    std::set<PublicKey> seen;
    for (auto const& each : plan.due(start + after, 1'000, rng)) seen.insert(each.probe.id);
    return seen.size();
  }
  std::optional<Health> judge(PublicKey const& id, ProbeReport const& report, Instant now) {
    return plan.judge(id, plan.target(id, now)->record, report, 9, now, rng);
  }

  RecheckPlan plan;
  SeededRng rng{1};
  Instant const start{Duration(1'000'000)};
};

TEST_F(RecheckPlanTest, APendingRecordIsLeftToWhoAdmittedItForAWhile) {
  plan.know(entry(1, SelfTest::Pending), false, start, rng);
  EXPECT_EQ(due_until(RecheckPlan::kAdmissionGrace - Duration(1)), 0u);
  EXPECT_EQ(due_until(RecheckPlan::kAdmissionGrace), 1u);
}

TEST_F(RecheckPlanTest, AFailedRecordIsTestedAgainOnlyWhileItsOwnerRenews) {
  plan.know(entry(1, SelfTest::Failed), false, start, rng);
  plan.know(entry(2, SelfTest::Failed), false, start, rng);
  Instant const later = start + kLease;
  plan.renewed(entry(1, SelfTest::Failed).id, registration::ReplicatorState::Active, kLease, later);
  std::vector<RecheckPlan::Target> const due = plan.due(later + kLease / 2, 10, rng);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].probe.id, entry(1, SelfTest::Failed).id);
}

TEST_F(RecheckPlanTest, OneThatAReceiptListedIsTestedSoon) {
  ReplicatorEntry never = entry(1, SelfTest::Passed);
  never.health.last_pass_unix_ms = 0;
  plan.know(never, false, start, rng);
  EXPECT_EQ(due_until(kLease / 4), 1u);
}

TEST_F(RecheckPlanTest, EveryTargetIsOneInstancesOnly) {
  RecheckPlan other(kLease, "b");
  plan.set_instances({"a", "b"});
  other.set_instances({"b", "a"});
  for (Byte i = 1; i <= 40; ++i) {
    plan.know(entry(i, SelfTest::Passed), false, start, rng);
    other.know(entry(i, SelfTest::Passed), false, start, rng);
  }
  std::set<PublicKey> seen;
  std::size_t mine = 0;
  for (auto const& each : plan.due(start + kLease, 100, rng))
    mine += seen.insert(each.probe.id).second ? 1u : 0u;
  std::size_t theirs = 0;
  for (auto const& each : other.due(start + kLease, 100, rng))
    theirs += seen.insert(each.probe.id).second ? 1u : 0u;
  EXPECT_EQ(mine + theirs, 40u);
  EXPECT_EQ(seen.size(), 40u);
  EXPECT_GT(mine, 5u);
  EXPECT_GT(theirs, 5u);
}

TEST_F(RecheckPlanTest, ALargeFleetIsTestedNoFasterThanASmallOne) {
  constexpr std::size_t kFleet = 8'000;  // All at once they would be 130 a second.
  plan.clear(kFleet);
  ReplicatorEntry one = entry(1, SelfTest::Passed);
  for (std::size_t i = 0; i < kFleet; ++i) {
    one.id.bytes[0] = static_cast<Byte>(i);
    one.id.bytes[1] = static_cast<Byte>(i >> 8);
    plan.know(one, false, start, rng);
  }
  std::size_t const tested = plan.due(start + kLease, kFleet, rng).size();
  EXPECT_GT(tested, 16u * 60 / 2);
  EXPECT_LT(tested, 16u * 60 * 2);
}

TEST_F(RecheckPlanTest, AResultForAnOlderRecordDoesNotCount) {
  plan.know(entry(1, SelfTest::Pending, 1), false, start, rng);
  PublicKey const id = entry(1, SelfTest::Pending).id;
  Hash const old = plan.target(id, start)->record;
  plan.know(entry(1, SelfTest::Pending, 2), false, start, rng);
  EXPECT_EQ(plan.judge(id, old, kPass, 9, start, rng), std::nullopt);
  EXPECT_EQ(judge(id, kPass, start)->self_test, SelfTest::Passed);
}

TEST_F(RecheckPlanTest, TheSameRecordFromElsewhereIsAnother) {
  plan.know(entry(1, SelfTest::Passed), false, start, rng);
  PublicKey const id = entry(1, SelfTest::Passed).id;
  Hash const old = plan.target(id, start)->record;
  ReplicatorEntry moved = entry(1, SelfTest::Passed);
  moved.observed_host = "198.41.0.5";
  plan.know(moved, false, start, rng);
  EXPECT_EQ(plan.judge(id, old, kPass, 9, start, rng), std::nullopt);
}

TEST_F(RecheckPlanTest, AProberThatIsCutOffTakesNobodyOut) {
  for (Byte i = 1; i <= 30; ++i) plan.know(entry(i, SelfTest::Passed), false, start, rng);
  std::size_t out = 0;
  for (int round = 0; round < 5; ++round) {
    for (Byte i = 1; i <= 30; ++i) {
      std::optional<Health> const now = judge(entry(i, SelfTest::Passed).id, kFail, start);
      out += now && now->is_out ? 1u : 0u;
    }
  }
  EXPECT_TRUE(plan.is_cut_off(start));
  EXPECT_EQ(out, 0u);
  EXPECT_FALSE(plan.is_cut_off(start + kLease + Duration(1)));
}

TEST_F(RecheckPlanTest, OneDeadNodeAmongManyIsTakenOut) {
  for (Byte i = 1; i <= 30; ++i) plan.know(entry(i, SelfTest::Passed), false, start, rng);
  for (Byte i = 2; i <= 30; ++i) judge(entry(i, SelfTest::Passed).id, kPass, start);
  std::optional<Health> now;
  for (int i = 0; i < 3; ++i) now = judge(entry(1, SelfTest::Passed).id, kFail, start);
  ASSERT_TRUE(now);
  EXPECT_TRUE(now->is_out);
  EXPECT_EQ(plan.counts(start).out, 1u);
}

TEST_F(RecheckPlanTest, ManyLateLeasesWithoutAnyRenewalWantTheGuard) {
  for (Byte i = 1; i <= 20; ++i) plan.know(entry(i, SelfTest::Passed), false, start, rng);
  plan.renewed(entry(1, SelfTest::Passed).id, registration::ReplicatorState::Active, kLease, start);
  EXPECT_FALSE(plan.wants_guard(start + kLease / 3, rng)) << "all are in time";
  EXPECT_TRUE(plan.wants_guard(start + kLease * 2 / 3, rng)) << "nobody's renewal came in";
  Instant const late = start + kLease * 2 / 3;
  plan.renewed(entry(1, SelfTest::Passed).id, registration::ReplicatorState::Active, kLease, late);
  EXPECT_FALSE(plan.wants_guard(late, rng)) << "renewals come in: those that do not are gone";
}

// Found with the real program: the guard ended when those who had gone made the others fewer than 20.
TEST_F(RecheckPlanTest, TheGuardLastsForWhoPassesAndForNobodyElse) {
  for (Byte i = 1; i <= 20; ++i) plan.know(entry(i, SelfTest::Passed), false, start, rng);
  std::map<PublicKey, Instant> passed;
  for (Byte i = 1; i <= 10; ++i) passed[entry(i, SelfTest::Passed).id] = start;
  for (Duration at(0); at < kLease * 6; at += kLease / 20) {
    Instant const now = start + at;
    if (at > kLease * 2 / 3) {
      EXPECT_TRUE(plan.wants_guard(now, rng)) << at.count();
    }
    for (RecheckPlan::Target const& target : plan.due(now, 1'000, rng)) {
      bool const is_there = passed.contains(target.probe.id);
      plan.judge(target.probe.id, target.record, is_there ? kPass : kFail, 1, now, rng);
      if (is_there) passed[target.probe.id] = now;
    }
    if (at > kLease) {
      for (auto const& [id, when] : passed) EXPECT_GT(when + kLease, now) << at.count();
    }
  }
  for (Byte i = 1; i <= 20; ++i)
    plan.know(entry(i, SelfTest::Passed), false, start + kLease * 6, rng);
  EXPECT_FALSE(plan.wants_guard(start + kLease * 6, rng)) << "they have come back";
}

TEST_F(RecheckPlanTest, FewLeasesWantNoGuard) {
  for (Byte i = 1; i <= 19; ++i) plan.know(entry(i, SelfTest::Passed), false, start, rng);
  EXPECT_FALSE(plan.wants_guard(start + kLease, rng));
}

TEST_F(RecheckPlanTest, WhoseLeaseIsLongOverIsNotTested) {
  plan.know(entry(1, SelfTest::Passed), false, start, rng);
  EXPECT_EQ(due_until(kLease * 3), 0u);
  EXPECT_EQ(plan.counts(start + kLease).expired, 1u);
}

TEST_F(RecheckPlanTest, WhatLeftIsForgotten) {
  plan.know(entry(1, SelfTest::Passed), false, start, rng);
  plan.forget(entry(1, SelfTest::Passed).id);
  EXPECT_EQ(plan.size(), 0u);
  EXPECT_EQ(plan.next_due(), std::nullopt);
}

}  // namespace
}  // namespace holdfast::discovery
