// What a StoreWatcher is told, by every store.
#include <gtest/gtest.h>

#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

using registration::ReplicatorState;
using Seen = Recorder::Seen;

TEST_P(WatchedStoreTest, ANewReplicatorIsToldWhole) {
  Health health;
  health.self_test = SelfTest::Passed;
  health.transcript = "fine";
  ASSERT_TRUE(
      store_->put_registration(record_of(1, {.seq = 7, .region = "eu"}), "192.0.2.9", health).ok());
  ASSERT_TRUE(await([](Seen const& seen) { return seen.replicators.contains(id(1)); }));
  ReplicatorEntry const told = recorder_.seen().replicators.at(id(1));
  ReplicatorEntry const found = *store_->find(id(1));
  EXPECT_EQ(told.signed_record, found.signed_record);
  EXPECT_EQ(told.observed_host, "192.0.2.9");
  EXPECT_EQ(told.health, health);
  EXPECT_EQ(told.generation, found.generation);
  EXPECT_EQ(told.state, ReplicatorState::Active);
  EXPECT_EQ(told.lease_left, short_options().lease);
}

TEST_P(WatchedStoreTest, ARenewalTellsStateAndLoad) {
  put(1);
  registration::RenewRequest request;
  request.state = ReplicatorState::Draining;
  request.load.connections = 70'000;
  request.load.free_bytes = 1ULL << 40;
  request.load.storage_full = true;
  ASSERT_TRUE(store_->renew(id(1), request).ok());
  ASSERT_TRUE(await([](Seen const& seen) { return seen.renewals.contains(id(1)); }));
  ReplicatorEntry const told = recorder_.seen().replicators.at(id(1));
  EXPECT_EQ(told.state, ReplicatorState::Draining);
  EXPECT_EQ(told.load, request.load);
  EXPECT_EQ(told.lease_left, short_options().lease);
  EXPECT_EQ(told.signed_record, record_of(1).bytes) << "the rest stays as it was";
}

TEST_P(WatchedStoreTest, HealthAndGenerationAreTold) {
  put(1);
  Health health;
  health.self_test = SelfTest::Failed;
  ASSERT_TRUE(store_->set_health(id(1), health).ok());
  ASSERT_TRUE(await([&](Seen const& seen) {
    return seen.replicators.contains(id(1)) && seen.replicators.at(id(1)).health == health;
  }));
  registration::ProjectsRequest request = adding({key_of(1)});
  request.replace = true;
  ASSERT_TRUE(store_->change_projects(id(1), request).ok());
  std::uint64_t const generation = store_->find(id(1))->generation;
  EXPECT_TRUE(
      await([&](Seen const& seen) { return seen.replicators.at(id(1)).generation == generation; }));
}

TEST_P(WatchedStoreTest, WhoLeavesIsGone) {
  put(1);
  ASSERT_TRUE(await([](Seen const& seen) { return seen.replicators.contains(id(1)); }));
  ASSERT_TRUE(store_->deregister(id(1)).ok());
  EXPECT_TRUE(await([](Seen const& seen) { return !seen.replicators.contains(id(1)); }));
}

TEST_P(WatchedStoreTest, EveryChangeOfAHostingSetIsTold) {
  put(1);
  ASSERT_TRUE(store_->hosting_of(key_of(1)).ok());
  list_keys(1, {key_of(1), key_of(2)});
  ASSERT_TRUE(await([](Seen const& seen) {
    return seen.hosting.count(key_of(1)) == 1 && seen.hosting.count(key_of(2)) == 1;
  }));
  ASSERT_TRUE(store_->hosting_of(key_of(1)).ok());
  ASSERT_TRUE(store_->change_projects(id(1), removing({key_of(1)})).ok());
  EXPECT_TRUE(await([](Seen const& seen) { return seen.hosting.count(key_of(1)) == 2; }));
}

TEST_P(WatchedStoreTest, ListingTheSameAgainIsNoChange) {
  put(1);
  list_keys(1, {key_of(1)});
  ASSERT_TRUE(await([](Seen const& seen) { return seen.hosting.count(key_of(1)) == 1; }));
  list_keys(1, {key_of(1)});
  list_keys(1, {key_of(2)});
  ASSERT_TRUE(await([](Seen const& seen) { return seen.hosting.count(key_of(2)) == 1; }));
  EXPECT_EQ(recorder_.seen().hosting.count(key_of(1)), 1U);
}

TEST_P(WatchedStoreTest, AssignmentsAndSharedValuesAreTold) {
  put(1);
  ASSERT_TRUE(store_->assign(id(1), key_of(1), Duration(1'000)).ok());
  ASSERT_TRUE(store_->put_shared(SharedKind::Ban, "x", "", std::nullopt, false).ok());
  ASSERT_TRUE(store_->take_shared(SharedKind::Ban, "x").ok());
  EXPECT_TRUE(await([](Seen const& seen) {
    return seen.assignments.count(id(1)) == 1 && seen.shared.count(SharedKind::Ban) == 2;
  }));
}

}  // namespace

}  // namespace holdfast::discovery
