// The newer half of the contract in discovery/registry/record_store.h: health, generations, claims,
// assignments, client peers, shared values.
#include <algorithm>

#include <gtest/gtest.h>

#include "discovery/registry/nonce.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

Health failed_health() {
  Health out;
  out.self_test = SelfTest::Failed;
  out.is_out = true;
  out.fails_in_row = 3;
  out.last_pass_unix_ms = 1'767'225'600'000;
  out.transcript = "connect 192.0.2.1:4838: refused";
  return out;
}

std::vector<std::string> names_of(std::vector<Shared> const& values) {
  std::vector<std::string> out;
  for (Shared const& value : values) out.push_back(value.name);
  return out;
}

TEST_P(SharedStateTest, HealthIsKeptWithANewRecord) {
  auto const put = store_->put_registration(record_of(1), "192.0.2.1", failed_health());
  ASSERT_TRUE(put.ok());
  EXPECT_EQ(put->health, failed_health());
  EXPECT_EQ(store_->find(id(1))->health, failed_health());
}

TEST_P(SharedStateTest, TheSameRecordKeepsItsHealthAndANewerOneBringsItsOwn) {
  put(1);
  ASSERT_TRUE(store_->set_health(id(1), failed_health()).ok());
  EXPECT_EQ(store_->put_registration(record_of(1), "192.0.2.1", Health{})->health, failed_health());
  EXPECT_EQ(store_->find(id(1))->health, failed_health());
  EXPECT_EQ(store_->put_registration(record_of(1, {.seq = 2}), "192.0.2.1", Health{})->health,
            Health{});
  EXPECT_EQ(store_->find(id(1))->health, Health{});
}

TEST_P(SharedStateTest, ARenewalKeepsHealth) {
  put(1);
  ASSERT_TRUE(store_->set_health(id(1), failed_health()).ok());
  EXPECT_EQ(store_->renew(id(1), {})->health, failed_health());
}

TEST_P(SharedStateTest, TheUnknownHaveNoHealth) {
  EXPECT_EQ(store_->set_health(id(1), Health{}).error().code, ErrorCode::NotFound);
}

TEST_P(SharedStateTest, ATranscriptIsCut) {
  Health health;
  health.transcript = std::string(kTranscriptBytesMax + 1, 'x');
  put(1);
  ASSERT_TRUE(store_->set_health(id(1), health).ok());
  EXPECT_EQ(store_->find(id(1))->health.transcript.size(), kTranscriptBytesMax);
}

TEST_P(SharedStateTest, HostingLinesNameWhoListedTheKey) {
  put(1);
  put(2);
  list_keys(1, {key_of(1)});
  list_keys(2, {key_of(1)});
  auto const set = store_->hosting_of(key_of(1));
  ASSERT_TRUE(set.ok());
  ASSERT_EQ(set->lines.size(), 2U);
  for (Hosting const& line : set->lines) {
    EXPECT_EQ(line.generation, store_->find(line.id)->generation);
  }
  EXPECT_NE(set->lines[0].id, set->lines[1].id);
  EXPECT_TRUE(store_->hosting_of(key_of(2))->lines.empty());
}

TEST_P(SharedStateTest, ReplacingTheListChangesTheGeneration) {
  put(1);
  list_keys(1, {key_of(1)});
  std::uint64_t const before = store_->find(id(1))->generation;
  registration::ProjectsRequest request = adding({key_of(2)});
  request.replace = true;
  ASSERT_TRUE(store_->change_projects(id(1), request).ok());
  std::uint64_t const after = store_->find(id(1))->generation;
  EXPECT_NE(before, after);
  auto const left_over = store_->hosting_of(key_of(1));
  for (Hosting const& line : left_over->lines) {
    EXPECT_NE(line.generation, after) << "a left over must not count";
  }
  ASSERT_EQ(store_->hosting_of(key_of(2))->lines.size(), 1U);
  EXPECT_EQ(store_->hosting_of(key_of(2))->lines[0].generation, after);
}

TEST_P(SharedStateTest, WhoComesBackAfterDeregisteringHostsNothing) {
  put(1);
  list_keys(1, {key_of(1)});
  ASSERT_TRUE(store_->deregister(id(1)).ok());
  world_->let_pass(Duration(2));
  put(1);
  EXPECT_FALSE(hosts(key_of(1)).known);
  EXPECT_EQ(store_->find(id(1))->projects, 0U);
}

TEST_P(SharedStateTest, AFullSetTakesAProvenLineInPlaceOfAnUnprovenOne) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  for (Byte seed = 1; seed <= 3; ++seed) list_keys(seed, {key_of(1)});
  registration::ProjectsRequest request;
  request.add = {
      {key_of(1), registration::make_keyholder_proof(pair_of(9), id(4), key_of(1),
                                                     world_->now_unix_ms() / 1000 + 100)}};
  auto const change = store_->change_projects(id(4), request);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(change->refused.empty());
  auto const set = store_->hosting_of(key_of(1));
  EXPECT_EQ(set->lines.size(), 3U);
  EXPECT_EQ(hosts({key_of(1), "", pair_of(9).public_key}).hosts.size(), 1U);
}

TEST_P(SharedStateTest, WhoMadeRoomForAProvenLineIsRefusedWhenItSaysTheKeyAgain) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  for (Byte seed = 1; seed <= 3; ++seed) list_keys(seed, {key_of(1)});
  registration::ProjectsRequest request;
  request.add = {
      {key_of(1), registration::make_keyholder_proof(pair_of(9), id(4), key_of(1),
                                                     world_->now_unix_ms() / 1000 + 100)}};
  ASSERT_TRUE(store_->change_projects(id(4), request).ok());
  std::size_t refused = 0;
  for (Byte seed = 1; seed <= 3; ++seed) {
    auto const change = store_->change_projects(id(seed), adding({key_of(1)}));
    ASSERT_TRUE(change.ok());
    EXPECT_EQ(change->projects + change->refused.size(), 1U);
    refused += change->refused.size();
  }
  EXPECT_EQ(refused, 1U);
}

TEST_P(SharedStateTest, LeftOversMakeRoomInAFullSet) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  for (Byte seed = 1; seed <= 3; ++seed) list_keys(seed, {key_of(1)});
  ASSERT_TRUE(store_->deregister(id(2)).ok());
  EXPECT_TRUE(store_->change_projects(id(4), adding({key_of(1)}))->refused.empty());
  EXPECT_EQ(hosts(key_of(1)).hosts.size(), 3U);
}

TEST_P(SharedStateTest, ARenewalUsesUpItsNonce) {
  put(1);
  auto const nonce = issue_nonce(*store_);
  ASSERT_TRUE(nonce.ok());
  auto const use = check_renewal_nonce(*store_, *nonce);
  ASSERT_TRUE(use.ok());
  EXPECT_TRUE(store_->renew(id(1), {}, *use).ok());
  EXPECT_EQ(store_->renew(id(1), {}, *use).error().code, ErrorCode::Denied);
  EXPECT_EQ(store_->spend_nonce(id(1), *use).error().code, ErrorCode::Denied);
}

TEST_P(SharedStateTest, RenewalsTogetherComeToWhatEachComesToAlone) {
  for (Byte seed = 1; seed <= 4; ++seed) put(seed);
  list_keys(1, {key_of(1)});
  auto const use = check_renewal_nonce(*store_, *issue_nonce(*store_));
  ASSERT_TRUE(use.ok());
  registration::RenewRequest const draining{.state = registration::ReplicatorState::Draining,
                                            .load = {}};
  std::vector<Renewal> renewals = {{id(1), draining, *use}, {id(1), {}, *use}, {id(9), {}, {}}};
  for (Byte seed = 2; seed <= 4; ++seed) renewals.push_back({id(seed), {}, std::nullopt});
  auto const results = store_->renew_all(renewals);
  ASSERT_EQ(results.size(), renewals.size());
  ASSERT_TRUE(results[0].ok());
  EXPECT_EQ(results[0]->id, id(1));
  EXPECT_EQ(results[0]->state, registration::ReplicatorState::Draining);
  EXPECT_EQ(results[0]->projects, 1U);
  EXPECT_EQ(results[1].error().code, ErrorCode::Denied) << "its nonce was used by the one before";
  EXPECT_EQ(results[2].error().code, ErrorCode::NotFound);
  for (std::size_t i = 3; i < results.size(); ++i) {
    ASSERT_TRUE(results[i].ok()) << i;
    EXPECT_EQ(results[i]->id, renewals[i].id);
  }
  EXPECT_TRUE(store_->renew_all({}).empty());
}

TEST_P(SharedStateTest, ARenewalUnderAnotherSecretIsRefused) {
  put(1);
  NonceUse use{{}, "abc", Duration(500)};
  use.secret.bytes.fill(9);
  EXPECT_EQ(store_->renew(id(1), {}, use).error().code, ErrorCode::Denied);
}

TEST_P(SharedStateTest, AClaimIsMadeOnce) {
  auto const first = store_->claim(key_of(1), id(1), std::nullopt, Duration(5'000));
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(first->is_mine);
  EXPECT_EQ(first->id, id(1));
  auto const second = store_->claim(key_of(1), id(2), std::nullopt, Duration(5'000));
  EXPECT_FALSE(second->is_mine);
  EXPECT_EQ(second->id, id(1));
  EXPECT_GT(second->left, Duration(3'000));
  EXPECT_LE(second->left, Duration(5'000));
  EXPECT_FALSE(store_->claim(key_of(1), id(1), std::nullopt, Duration(5'000))->is_mine);
}

TEST_P(SharedStateTest, AClaimIsPassedOnOnlyByWhoKnowsItsHolder) {
  ASSERT_TRUE(store_->claim(key_of(1), id(1), std::nullopt, Duration(5'000)).ok());
  EXPECT_EQ(store_->claim(key_of(1), id(3), id(2), Duration(5'000))->id, id(1));
  auto const passed = store_->claim(key_of(1), id(2), id(1), Duration(5'000));
  EXPECT_TRUE(passed->is_mine);
  EXPECT_EQ(passed->id, id(2));
  EXPECT_EQ(store_->claim(key_of(1), id(3), id(1), Duration(5'000))->id, id(2))
      << "only the first of two that saw the same holder";
}

TEST_P(SharedStateTest, AClaimEnds) {
  ASSERT_TRUE(store_->claim(key_of(1), id(1), std::nullopt, Duration(200)).ok());
  world_->let_pass(Duration(250));
  EXPECT_TRUE(store_->claim(key_of(1), id(2), std::nullopt, Duration(200))->is_mine);
}

TEST_P(SharedStateTest, AssignmentsComeInOrderBehindACursor) {
  put(1);
  EXPECT_TRUE(store_->assignments_of(id(1), 0, 10)->keys.empty());
  EXPECT_EQ(store_->assignments_of(id(1), 17, 10)->cursor, 17U);
  for (std::uint64_t const key : {3U, 1U, 2U}) {
    ASSERT_TRUE(store_->assign(id(1), key_of(key), Duration(60'000)).ok());
  }
  auto const first = store_->assignments_of(id(1), 0, 2);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->keys, (std::vector<DiscoveryKey>{key_of(3), key_of(1)}));
  auto const rest = store_->assignments_of(id(1), first->cursor, 2);
  EXPECT_EQ(rest->keys, std::vector<DiscoveryKey>{key_of(2)});
  EXPECT_TRUE(store_->assignments_of(id(1), rest->cursor, 2)->keys.empty());
}

TEST_P(SharedStateTest, AssigningAgainMakesItNew) {
  put(1);
  ASSERT_TRUE(store_->assign(id(1), key_of(1), Duration(60'000)).ok());
  std::uint64_t const cursor = store_->assignments_of(id(1), 0, 10)->cursor;
  ASSERT_TRUE(store_->assign(id(1), key_of(1), Duration(60'000)).ok());
  EXPECT_EQ(store_->assignments_of(id(1), cursor, 10)->keys, std::vector<DiscoveryKey>{key_of(1)});
  EXPECT_EQ(store_->assignments_of(id(1), 0, 10)->keys.size(), 1U);
}

TEST_P(SharedStateTest, AnAssignmentLeavesWhenTheKeyIsListedOrItsLifeIsOver) {
  put(1);
  ASSERT_TRUE(store_->assign(id(1), key_of(1), Duration(60'000)).ok());
  ASSERT_TRUE(store_->assign(id(1), key_of(2), Duration(200)).ok());
  list_keys(1, {key_of(1)});
  EXPECT_EQ(store_->assignments_of(id(1), 0, 10)->keys, std::vector<DiscoveryKey>{key_of(2)});
  world_->let_pass(Duration(250));
  EXPECT_TRUE(store_->assignments_of(id(1), 0, 10)->keys.empty());
}

TEST_P(SharedStateTest, AssignmentsAreBoundedAndNeedALease) {
  EXPECT_EQ(store_->assign(id(1), key_of(1), Duration(1'000)).error().code, ErrorCode::NotFound);
  put(1);
  for (std::uint64_t key = 1; key <= 3; ++key) {
    ASSERT_TRUE(store_->assign(id(1), key_of(key), Duration(60'000)).ok());
  }
  EXPECT_EQ(store_->assign(id(1), key_of(4), Duration(60'000)).error().code,
            ErrorCode::LimitExceeded);
  EXPECT_TRUE(store_->assign(id(1), key_of(3), Duration(60'000)).ok());
}

TEST_P(SharedStateTest, PeersAreKeptForTheirLife) {
  PeerEndpoint const one{"192.0.2.7", 49'737};
  PeerEndpoint const two{"2001:db8::7", 1};
  ASSERT_TRUE(store_->announce_peer(key_of(1), one, Duration(60'000)).ok());
  ASSERT_TRUE(store_->announce_peer(key_of(1), one, Duration(60'000)).ok());
  ASSERT_TRUE(store_->announce_peer(key_of(1), two, Duration(200)).ok());
  auto peers = *store_->peers_of(key_of(1));
  EXPECT_EQ(peers.size(), 2U);
  EXPECT_NE(std::find(peers.begin(), peers.end(), two), peers.end());
  world_->let_pass(Duration(250));
  EXPECT_EQ(*store_->peers_of(key_of(1)), std::vector<PeerEndpoint>{one});
  EXPECT_TRUE(store_->peers_of(key_of(2))->empty());
}

TEST_P(SharedStateTest, ThePeerThatEndsFirstMakesRoom) {
  for (std::uint16_t port = 1; port <= 3; ++port) {
    Duration const life(port == 2 ? 30'000 : 60'000);
    ASSERT_TRUE(store_->announce_peer(key_of(1), {"192.0.2.7", port}, life).ok());
  }
  ASSERT_TRUE(store_->announce_peer(key_of(1), {"192.0.2.7", 4}, Duration(10'000)).ok());
  auto const peers = *store_->peers_of(key_of(1));
  EXPECT_EQ(peers.size(), 3U);
  EXPECT_EQ(std::find(peers.begin(), peers.end(), PeerEndpoint{"192.0.2.7", 2}), peers.end());
  EXPECT_NE(std::find(peers.begin(), peers.end(), PeerEndpoint{"192.0.2.7", 4}), peers.end());
}

TEST_P(SharedStateTest, SharedValuesArePutListedAndTaken) {
  ASSERT_TRUE(*store_->put_shared(SharedKind::Invite, "b", "1", std::nullopt, false));
  ASSERT_TRUE(
      *store_->put_shared(SharedKind::Invite, "a", std::string("\0x", 2), Duration(60'000), false));
  auto const listed = store_->list_shared(SharedKind::Invite);
  ASSERT_EQ(names_of(*listed), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ((*listed)[0].value, std::string("\0x", 2));
  ASSERT_TRUE((*listed)[0].left.has_value());
  EXPECT_LE(*(*listed)[0].left, Duration(60'000));
  EXPECT_FALSE((*listed)[1].left.has_value());
  EXPECT_TRUE(store_->list_shared(SharedKind::Ban)->empty());
  EXPECT_EQ(*store_->take_shared(SharedKind::Invite, "b"), "1");
  EXPECT_EQ(*store_->take_shared(SharedKind::Invite, "b"), std::nullopt) << "only once";
  EXPECT_EQ(names_of(*store_->list_shared(SharedKind::Invite)), std::vector<std::string>{"a"});
}

TEST_P(SharedStateTest, ASharedValueMayBePutOnlyIfAbsent) {
  EXPECT_TRUE(*store_->put_shared(SharedKind::Guard, "g", "1", Duration(200), true));
  EXPECT_FALSE(*store_->put_shared(SharedKind::Guard, "g", "2", Duration(200), true));
  EXPECT_TRUE(*store_->put_shared(SharedKind::Guard, "g", "3", Duration(200), false));
  world_->let_pass(Duration(250));
  EXPECT_TRUE(store_->list_shared(SharedKind::Guard)->empty());
  EXPECT_EQ(*store_->take_shared(SharedKind::Guard, "g"), std::nullopt);
  EXPECT_TRUE(*store_->put_shared(SharedKind::Guard, "g", "4", Duration(200), true));
}

TEST_P(SharedStateTest, SharedValuesAreBounded) {
  for (std::string const name : {"a", "b"}) {
    ASSERT_TRUE(*store_->put_shared(SharedKind::Ban, name, "", std::nullopt, false));
  }
  ASSERT_TRUE(*store_->put_shared(SharedKind::Ban, "c", "", Duration(200), false));
  EXPECT_EQ(store_->put_shared(SharedKind::Ban, "d", "", std::nullopt, false).error().code,
            ErrorCode::LimitExceeded);
  world_->let_pass(Duration(250));
  EXPECT_TRUE(*store_->put_shared(SharedKind::Ban, "d", "", std::nullopt, false));
  EXPECT_EQ(store_
                ->put_shared(SharedKind::Quota, std::string(kSharedNameBytesMax + 1, 'x'), "",
                             std::nullopt, false)
                .error()
                .code,
            ErrorCode::LimitExceeded);
  EXPECT_EQ(store_
                ->put_shared(SharedKind::Quota, "x", std::string(kSharedValueBytesMax + 1, 'x'),
                             std::nullopt, false)
                .error()
                .code,
            ErrorCode::LimitExceeded);
}

}  // namespace

}  // namespace holdfast::discovery
