// Every store keeps the rules of discovery/registry/record_store.h.
#include "discovery/registry/record_store.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "discovery/registry/nonce.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

using registration::ReplicatorState;

TEST_P(RecordStoreTest, NobodyIsKnownAtFirst) {
  HostAnswer const answer = hosts(key_of(1));
  EXPECT_TRUE(answer.hosts.empty());
  EXPECT_FALSE(answer.known);
  EXPECT_FALSE(answer.recovering);
}

TEST_P(RecordStoreTest, TimeIsTheStores) {
  auto const now = store_->now_unix_ms();
  ASSERT_TRUE(now.ok());
  std::uint64_t const here = world_->now_unix_ms();
  EXPECT_LT(std::max(*now, here) - std::min(*now, here), 2'000U);
}

TEST_P(RecordStoreTest, AListedKeyIsFoundWithRecordAndLease) {
  put(1);
  list_keys(1, {key_of(1)});
  HostAnswer const answer = hosts(key_of(1));
  ASSERT_EQ(answer.hosts.size(), 1U);
  EXPECT_TRUE(answer.known);
  ReplicatorEntry const& host = answer.hosts[0].replicator;
  EXPECT_EQ(host.id, id(1));
  EXPECT_EQ(host.signed_record, record_of(1).bytes);
  EXPECT_EQ(host.observed_host, "192.0.2.1");
  EXPECT_EQ(host.state, ReplicatorState::Active);
  EXPECT_EQ(host.projects, 1U);
  EXPECT_LE(host.lease_left, Duration(1'500));
  EXPECT_GT(host.lease_left, Duration(1'000));
}

TEST_P(RecordStoreTest, ALeaseRunsOutWithoutRenewal) {
  put(1);
  list_keys(1, {key_of(1)});
  world_->let_pass(Duration(1'550));
  HostAnswer const answer = hosts(key_of(1));
  EXPECT_TRUE(answer.hosts.empty());
  EXPECT_TRUE(answer.known) << "a key whose host is away for a moment is not unknown";
}

TEST_P(RecordStoreTest, ARenewalGrantsAWholeLease) {
  put(1);
  list_keys(1, {key_of(1)});
  world_->let_pass(Duration(900));
  auto const renewed = store_->renew(id(1), {});
  ASSERT_TRUE(renewed.ok());
  EXPECT_GT(renewed->lease_left, Duration(1'000));
  EXPECT_EQ(renewed->projects, 1U);
  world_->let_pass(Duration(900));
  EXPECT_EQ(host_count(key_of(1)), 1U);
}

TEST_P(RecordStoreTest, ALeaseThatRanOutIsUnknownToWrites) {
  put(1);
  world_->let_pass(Duration(1'550));
  auto const renewed = store_->renew(id(1), {});
  ASSERT_FALSE(renewed.ok());
  EXPECT_EQ(renewed.error().code, ErrorCode::NotFound);
  auto const changed = store_->change_projects(id(1), adding({key_of(1)}));
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().code, ErrorCode::NotFound);
}

TEST_P(RecordStoreTest, RegisteringAgainSoonFindsTheKeysStillListed) {
  put(1);
  list_keys(1, {key_of(1)});
  world_->let_pass(Duration(1'550));
  auto const again = store_->put_registration(record_of(1, {.seq = 2}), "192.0.2.1");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->projects, 1U);
  EXPECT_EQ(host_count(key_of(1)), 1U);
}

TEST_P(RecordStoreTest, ALongGoneReplicatorIsForgotten) {
  put(1);
  list_keys(1, {key_of(1)});
  world_->let_pass(Duration(3'100));
  put(2);
  EXPECT_EQ(store_->find(id(1)).ok(), false);
  EXPECT_FALSE(hosts(key_of(1)).known);
  auto const again = store_->put_registration(record_of(1), "192.0.2.1");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->projects, 0U);
}

TEST_P(RecordStoreTest, RenewingTheUnknownSaysSo) {
  auto const renewed = store_->renew(id(1), {});
  ASSERT_FALSE(renewed.ok());
  EXPECT_EQ(renewed.error().code, ErrorCode::NotFound);
}

TEST_P(RecordStoreTest, TheSameRecordAgainChangesNothing) {
  put(1);
  list_keys(1, {key_of(1)});
  auto const again = store_->put_registration(record_of(1), "192.0.2.1");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->outcome, PutAnswer::Outcome::Unchanged);
  EXPECT_EQ(again->projects, 1U);
}

TEST_P(RecordStoreTest, ALowerSeqIsAConflictThatShowsWhatIsKept) {
  put(1, {.seq = 5});
  auto const lower = store_->put_registration(record_of(1, {.seq = 4}), "192.0.2.1");
  ASSERT_TRUE(lower.ok());
  EXPECT_EQ(lower->outcome, PutAnswer::Outcome::Conflict);
  EXPECT_EQ(lower->kept_record, record_of(1, {.seq = 5}).bytes);
  EXPECT_EQ(store_->find(id(1))->signed_record, record_of(1, {.seq = 5}).bytes);
}

TEST_P(RecordStoreTest, TheSameSeqWithOtherBytesIsAConflict) {
  put(1, {.seq = 5});
  auto const other =
      store_->put_registration(record_of(1, {.seq = 5, .region = "eu"}), "192.0.2.1");
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->outcome, PutAnswer::Outcome::Conflict);
}

TEST_P(RecordStoreTest, SeqsThatNeed53BitsKeepTheirOrder) {
  put(1, {.seq = registration::kNumberMax - 1});
  auto const lower =
      store_->put_registration(record_of(1, {.seq = registration::kNumberMax - 2}), "192.0.2.1");
  EXPECT_EQ(lower->outcome, PutAnswer::Outcome::Conflict);
  auto const higher =
      store_->put_registration(record_of(1, {.seq = registration::kNumberMax}), "192.0.2.1");
  EXPECT_EQ(higher->outcome, PutAnswer::Outcome::Stored);
}

TEST_P(RecordStoreTest, AHigherSeqReplacesTheRecord) {
  put(1, {.seq = 5});
  put(1, {.seq = 6, .host = "other.example.org"});
  EXPECT_EQ(store_->find(id(1))->signed_record,
            record_of(1, {.seq = 6, .host = "other.example.org"}).bytes);
}

TEST_P(RecordStoreTest, ADrainingReplicatorLeavesAnswersAtOnce) {
  put(1);
  list_keys(1, {key_of(1)});
  ASSERT_TRUE(store_->renew(id(1), {.state = ReplicatorState::Draining, .load = {}}).ok());
  HostAnswer const answer = hosts(key_of(1));
  EXPECT_TRUE(answer.hosts.empty());
  EXPECT_TRUE(answer.known);
  EXPECT_EQ(store_->find(id(1))->state, ReplicatorState::Draining);
}

TEST_P(RecordStoreTest, ADrainingReplicatorComesBackByRegistering) {
  put(1);
  list_keys(1, {key_of(1)});
  ASSERT_TRUE(store_->renew(id(1), {.state = ReplicatorState::Draining, .load = {}}).ok());
  put(1, {.seq = 2});
  EXPECT_EQ(host_count(key_of(1)), 1U);
}

TEST_P(RecordStoreTest, LoadFiguresAreKept) {
  put(1);
  registration::RenewRequest request;
  request.load.connections = 17;
  request.load.stored_bytes = 73'014'444'032;
  request.load.storage_full = true;
  ASSERT_TRUE(store_->renew(id(1), request).ok());
  EXPECT_EQ(store_->find(id(1))->load, request.load);
}

TEST_P(RecordStoreTest, RemovedKeysAreGone) {
  put(1);
  list_keys(1, {key_of(1), key_of(2)});
  auto const left = store_->change_projects(id(1), removing({key_of(1), key_of(9)}));
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->projects, 1U);
  EXPECT_FALSE(hosts(key_of(1)).known);
  EXPECT_EQ(host_count(key_of(2)), 1U);
}

TEST_P(RecordStoreTest, ReplaceForgetsWhatWasListedBefore) {
  put(1);
  list_keys(1, {key_of(1), key_of(2)});
  registration::ProjectsRequest request = adding({key_of(2), key_of(3)});
  request.replace = true;
  EXPECT_EQ(store_->change_projects(id(1), request)->projects, 2U);
  EXPECT_FALSE(hosts(key_of(1)).known);
  EXPECT_EQ(host_count(key_of(2)), 1U);
  EXPECT_EQ(host_count(key_of(3)), 1U);
}

TEST_P(RecordStoreTest, AddingAKeyTwiceCountsItOnce) {
  put(1);
  EXPECT_EQ(store_->change_projects(id(1), adding({key_of(1), key_of(1)}))->projects, 1U);
  EXPECT_EQ(store_->change_projects(id(1), adding({key_of(1)}))->projects, 1U);
}

TEST_P(RecordStoreTest, ABatchAboveTheQuotaChangesNothing) {
  put(1);
  list_keys(1, {key_of(1)});
  std::vector<DiscoveryKey> keys;
  for (std::uint64_t i = 10; i < 20; ++i) keys.push_back(key_of(i));
  registration::ProjectsRequest request = adding(keys);
  request.remove = {key_of(77)};
  auto const refused = store_->change_projects(id(1), request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  EXPECT_FALSE(hosts(key_of(10)).known);
  keys.pop_back();
  EXPECT_EQ(store_->change_projects(id(1), adding(keys))->projects, 10U);
}

TEST_P(RecordStoreTest, AQuotaThatWasLoweredKeepsWhatIsListed) {
  put(1);
  list_keys(1, {key_of(1), key_of(2), key_of(3)});
  EXPECT_EQ(store_->change_projects(id(1), adding({key_of(1), key_of(2)}), 2)->projects, 3U);
  EXPECT_EQ(store_->change_projects(id(1), adding({key_of(1), key_of(4)}), 3).error().code,
            ErrorCode::LimitExceeded);
  EXPECT_TRUE(hosts(key_of(1)).known);
  EXPECT_EQ(store_->change_projects(id(1), removing({key_of(1)}), 2)->projects, 2U);
  EXPECT_EQ(store_->change_projects(id(1), adding({key_of(4)}), 3)->projects, 3U);
  registration::ProjectsRequest request = adding({key_of(5), key_of(6), key_of(7)});
  request.replace = true;
  EXPECT_FALSE(store_->change_projects(id(1), request, 2).ok());
  EXPECT_TRUE(hosts(key_of(4)).known);
}

TEST_P(RecordStoreTest, WhatABatchRemovesMakesRoomForWhatItAdds) {
  put(1);
  list_keys(1, {key_of(1), key_of(2), key_of(3)});
  registration::ProjectsRequest swap = adding({key_of(4), key_of(5)});
  swap.remove = {key_of(1), key_of(2), key_of(2)};
  EXPECT_EQ(store_->change_projects(id(1), swap, 2).error().code, ErrorCode::LimitExceeded);
  EXPECT_TRUE(hosts(key_of(1)).known) << "nothing of it is kept";
  auto const swapped = store_->change_projects(id(1), swap, 3);
  ASSERT_TRUE(swapped.ok());
  EXPECT_EQ(swapped->projects, 3U);
  EXPECT_FALSE(hosts(key_of(1)).known);
  EXPECT_TRUE(hosts(key_of(5)).known);
}

TEST_P(RecordStoreTest, OnlyListedKeysThatStayAwayMakeRoom) {
  put(1);
  list_keys(1, {key_of(1), key_of(2), key_of(3)});
  registration::ProjectsRequest swap = adding({key_of(1), key_of(4)});
  swap.remove = {key_of(1), key_of(9)};
  EXPECT_EQ(store_->change_projects(id(1), swap, 3).error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(store_->change_projects(id(1), swap, 4)->projects, 4U);
  EXPECT_TRUE(hosts(key_of(1)).known);
}

TEST_P(RecordStoreTest, ABatchOfMoreThanAThousandKeysIsRefused) {
  put(1);
  std::vector<DiscoveryKey> keys(registration::kBatchKeysMax + 1, key_of(1));
  EXPECT_EQ(store_->change_projects(id(1), removing(keys)).error().code, ErrorCode::LimitExceeded);
  keys.pop_back();
  EXPECT_TRUE(store_->change_projects(id(1), removing(keys)).ok());
}

TEST_P(RecordStoreTest, AKeyHasOnlySoManyHosts) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  for (Byte seed = 1; seed <= 3; ++seed) list_keys(seed, {key_of(1)});
  auto const refused = store_->change_projects(id(4), adding({key_of(1), key_of(2)}));
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->refused, std::vector<DiscoveryKey>{key_of(1)});
  EXPECT_EQ(refused->projects, 1U);
  EXPECT_EQ(host_count(key_of(1)), 3U);
  EXPECT_TRUE(store_->change_projects(id(3), adding({key_of(1)}))->refused.empty());
}

TEST_P(RecordStoreTest, RefusedKeysAreNamedOnceAndInOrder) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  for (Byte seed = 1; seed <= 3; ++seed) list_keys(seed, {key_of(1), key_of(2)});
  auto const refused =
      store_->change_projects(id(4), adding({key_of(2), key_of(3), key_of(1), key_of(2)}));
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->refused, (std::vector<DiscoveryKey>{key_of(1), key_of(2)}));
  EXPECT_EQ(refused->projects, 1U);
}

TEST_P(RecordStoreTest, ThereAreOnlySoManyReplicators) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  auto const refused = store_->put_registration(record_of(5), "192.0.2.1");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  put(4, {.seq = 2});
}

TEST_P(RecordStoreTest, DeregisteringForgetsAtOnce) {
  put(1);
  put(2);
  list_keys(1, {key_of(1), key_of(2)});
  list_keys(2, {key_of(2)});
  ASSERT_TRUE(store_->deregister(id(1)).ok());
  EXPECT_FALSE(hosts(key_of(1)).known);
  EXPECT_EQ(host_count(key_of(2)), 1U);
  EXPECT_EQ(store_->find(id(1)).error().code, ErrorCode::NotFound);
  EXPECT_EQ(store_->deregister(id(1)).error().code, ErrorCode::NotFound);
}

TEST_P(RecordStoreTest, TheListIsInOrderOfIdAndPaged) {
  std::vector<PublicKey> ids;
  for (Byte seed = 1; seed <= 3; ++seed) {
    put(seed);
    ids.push_back(id(seed));
  }
  std::sort(ids.begin(), ids.end());
  auto const first = store_->list(std::nullopt, 2);
  ASSERT_EQ(first->size(), 2U);
  EXPECT_EQ((*first)[0].id, ids[0]);
  EXPECT_EQ((*first)[1].id, ids[1]);
  auto const rest = store_->list(ids[1], 2);
  ASSERT_EQ(rest->size(), 1U);
  EXPECT_EQ((*rest)[0].id, ids[2]);
}

TEST_P(RecordStoreTest, TheListLeavesOutWhoseLeaseRanOut) {
  put(1);
  world_->let_pass(Duration(1'550));
  put(2);
  auto const listed = store_->list(std::nullopt, 10);
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ((*listed)[0].id, id(2));
  EXPECT_EQ(store_->find(id(1))->lease_left, Duration(0));
}

TEST_P(RecordStoreTest, TheRegionIsTakenFirstWhenThereAreTooMany) {
  put(1, {.seq = 1, .region = "eu"});
  put(2, {.seq = 1, .region = "us"});
  put(3, {.seq = 1, .region = "us"});
  for (Byte seed = 1; seed <= 3; ++seed) list_keys(seed, {key_of(1)});
  for (std::string const region : {"eu", "us"}) {
    HostQuery query{key_of(1), region, std::nullopt};
    query.candidates_max = 1;
    HostAnswer const answer = hosts(query);
    ASSERT_EQ(answer.hosts.size(), 1U);
    EXPECT_EQ(registration::open_record(answer.hosts[0].replicator.signed_record)->record.region,
              region);
  }
}

TEST_P(RecordStoreTest, ProofsComeBackAsGiven) {
  put(1);
  auto const proof = registration::make_keyholder_proof(pair_of(9), id(1), key_of(1),
                                                        world_->now_unix_ms() / 1000 + 100);
  registration::ProjectsRequest request;
  request.add = {{key_of(1), proof}};
  ASSERT_TRUE(store_->change_projects(id(1), request).ok());
  HostAnswer const answer = hosts(key_of(1));
  ASSERT_EQ(answer.hosts.size(), 1U);
  EXPECT_EQ(answer.hosts[0].proof, proof);
}

TEST_P(RecordStoreTest, AskingForAKeyholderLeavesOutStrangers) {
  put(1);
  put(2);
  put(3);
  std::uint64_t const later = world_->now_unix_ms() / 1000 + 100;
  registration::ProjectsRequest request;
  request.add = {
      {key_of(1), registration::make_keyholder_proof(pair_of(9), id(1), key_of(1), later)}};
  ASSERT_TRUE(store_->change_projects(id(1), request).ok());
  request.add = {
      {key_of(1), registration::make_keyholder_proof(pair_of(8), id(2), key_of(1), later)}};
  ASSERT_TRUE(store_->change_projects(id(2), request).ok());
  list_keys(3, {key_of(1)});
  EXPECT_EQ(host_count(key_of(1)), 3U);
  HostAnswer const proven = hosts({key_of(1), "", pair_of(9).public_key});
  ASSERT_EQ(proven.hosts.size(), 1U);
  EXPECT_EQ(proven.hosts[0].replicator.id, id(1));
  EXPECT_FALSE(hosts({key_of(1), "", pair_of(7).public_key}).known);
}

TEST_P(RecordStoreTest, AnExpiredProofIsNotGiven) {
  put(1);
  registration::ProjectsRequest request;
  request.add = {{key_of(1), registration::make_keyholder_proof(pair_of(9), id(1), key_of(1),
                                                                world_->now_unix_ms() / 1000 + 1)}};
  ASSERT_TRUE(store_->change_projects(id(1), request).ok());
  world_->let_pass(Duration(1'100));
  HostAnswer const answer = hosts(key_of(1));
  ASSERT_EQ(answer.hosts.size(), 1U);
  EXPECT_FALSE(answer.hosts[0].proof.has_value());
  EXPECT_TRUE(hosts({key_of(1), "", pair_of(9).public_key}).hosts.empty());
}

TEST_P(RecordStoreTest, ANonceCountsOnce) {
  auto const nonce = issue_nonce(*store_);
  ASSERT_TRUE(nonce.ok());
  EXPECT_TRUE(use_nonce(*store_, id(1), *nonce).ok());
  auto const again = use_nonce(*store_, id(1), *nonce);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::Denied);
}

TEST_P(RecordStoreTest, ANonceGrowsOld) {
  auto const nonce = issue_nonce(*store_);
  ASSERT_TRUE(nonce.ok());
  world_->let_pass(Duration(650));
  auto const late = use_nonce(*store_, id(1), *nonce);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::Denied);
}

TEST_P(RecordStoreTest, ANonceUnderAnotherSecretIsRefused) {
  Hash other;
  other.bytes.fill(1);
  auto const spent = store_->spend_nonce(id(1), {other, "abc", Duration(600)});
  ASSERT_FALSE(spent.ok());
  EXPECT_EQ(spent.error().code, ErrorCode::Denied);
}

}  // namespace

}  // namespace holdfast::discovery
