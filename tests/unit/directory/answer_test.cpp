#include <algorithm>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "directory_world.h"

namespace holdfast::discovery {
namespace {

using registration::Address;
using registration::AddressKind;

std::vector<Byte> bytes_to(Byte last) {
  std::vector<Byte> out;
  for (Byte number = 1; number <= last; ++number) out.push_back(number);
  return out;
}

TEST(Answer, GivesWholeSecondsThatAreLeft) {
  World world;
  world.add(1);
  world.list(1, {1});
  EXPECT_EQ(world.ask(1).status, DirectoryStatus::Found);
  ASSERT_EQ(world.endpoints().size(), 1u);
  EXPECT_EQ(world.endpoints()[0].expires_in_s, 45u);
  world.now += Duration(30'998);
  world.ask(1);
  EXPECT_EQ(world.endpoints()[0].expires_in_s, 15u);
}

TEST(Answer, LeavesOutWhatIsNearlyOver) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.now += Duration(44'999);
  EXPECT_EQ(world.ask(1).status, DirectoryStatus::Found);
  EXPECT_EQ(world.endpoints()[0].expires_in_s, 1u);
  world.now += Duration(1);
  EXPECT_EQ(world.ask(1).status, DirectoryStatus::NobodyCanServe);
  EXPECT_TRUE(world.body.empty());
}

TEST(Answer, FirstEndpointIsRepeatedOutside) {
  World world;
  world.add(1, {.addresses = {{AddressKind::Tcp, "node.example.org", 4000, ""}}});
  world.list(1, {1});
  world.ask(1);
  nlohmann::json const json = nlohmann::json::parse(world.body);
  EXPECT_EQ(json["host"], "node.example.org");
  EXPECT_EQ(json["port"], 4000);
  EXPECT_EQ(json["expires_in"], 45);
}

TEST(Answer, FillsInTheObservedHost) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  EXPECT_EQ(world.endpoints()[0].host, "192.0.2.1");
}

TEST(Answer, CarriesTheSignedRecordAndTheProof) {
  World world;
  world.add(1, {.region = "eu"});
  world.list(1, {1}, true);
  world.ask(1);
  auto const endpoint = world.endpoints()[0];
  EXPECT_EQ(endpoint.record, world.entry(1, {.region = "eu"}).signed_record);
  EXPECT_EQ(endpoint.region, "eu");
  ASSERT_TRUE(endpoint.proof);
  EXPECT_TRUE(registration::check_keyholder_proof(*endpoint.proof, pair_of(1).public_key, key_of(1),
                                                  world.store_ms() / 1'000)
                  .ok());
}

TEST(Answer, OrderDoesNotDependOnTheStore) {
  World world;
  for (Byte const number : bytes_to(6)) world.add(number);
  world.list(1, bytes_to(6));
  world.ask(1);
  auto const order = world.order();
  world.list(1, {6, 5, 4, 3, 2, 1});
  world.ask(1);
  EXPECT_EQ(world.order(), order);
}

TEST(Answer, KeysSpreadOverTheNodes) {
  World world;
  for (Byte const number : bytes_to(4)) world.add(number);
  std::set<PublicKey> first;
  for (Byte key = 1; key <= 40; ++key) {
    world.list(key, bytes_to(4));
    world.ask(key);
    first.insert(world.order()[0]);
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST(Answer, ANodeThatLeavesMovesNobodyElse) {
  World world;
  for (Byte const number : bytes_to(5)) world.add(number);
  world.list(3, bytes_to(5));
  world.ask(3);
  auto order = world.order();
  std::erase(order, pair_of(2).public_key);
  world.directory.on_gone(pair_of(2).public_key);
  world.ask(3);
  EXPECT_EQ(world.order(), order);
}

TEST(Answer, TheRegionComesFirst) {
  World world;
  for (Byte const number : bytes_to(6)) world.add(number, {.region = number == 4 ? "eu" : "us"});
  for (Byte key = 1; key <= 10; ++key) {
    world.list(key, bytes_to(6));
    world.ask(World::query_of(key, "eu"));
    ASSERT_EQ(world.endpoints().size(), 6u);
    EXPECT_EQ(world.endpoints()[0].region, "eu");
  }
}

TEST(Answer, TheGuessedCountryComesFirstThenItsContinent) {
  World world;
  for (Byte const number : bytes_to(6)) {
    world.add(number, {.region = number == 4 ? "BR" : number == 2 ? "sa" : "us"});
  }
  for (Byte key = 1; key <= 10; ++key) {
    world.list(key, bytes_to(6));
    LookupQuery query = World::query_of(key);
    query.region.guessed = {.country = {'b', 'r'}, .continent = {'s', 'a'}};
    world.ask(query);
    ASSERT_EQ(world.endpoints().size(), 6u);
    EXPECT_EQ(world.endpoints()[0].region, "BR");
    EXPECT_EQ(world.endpoints()[1].region, "sa");
    query.region.label = "us";
    world.ask(query);
    EXPECT_EQ(world.endpoints()[0].region, "us") << "what is asked for counts";
  }
}

TEST(Answer, AGuessThatNobodyMatchesChangesNothing) {
  World world;
  for (Byte const number : bytes_to(6)) world.add(number, {.region = "us"});
  world.list(1, bytes_to(6));
  world.ask(1);
  auto const order = world.order();
  LookupQuery query = World::query_of(1);
  query.region.guessed = {.country = {'b', 'r'}, .continent = {'s', 'a'}};
  world.ask(query);
  EXPECT_EQ(world.order(), order);
}

TEST(Answer, ABusyNodeComesAfterTheOthersOfItsRegion) {
  World world;
  for (Byte const number : bytes_to(4)) world.add(number);
  world.list(1, bytes_to(4));
  world.ask(1);
  auto const calm = world.order();
  registration::LoadFigures busy;
  busy.cpu_permille = 900;
  world.directory.on_renewed(calm[0], registration::ReplicatorState::Active, busy, Duration(60'000),
                             world.store_ms());
  world.directory.tick(world.now);
  world.ask(1);
  EXPECT_EQ(world.order()[0], calm[1]);
  EXPECT_EQ(world.order()[3], calm[0]);
  busy.cpu_permille = 300;
  world.directory.on_renewed(calm[0], registration::ReplicatorState::Active, busy, Duration(60'000),
                             world.store_ms());
  world.directory.tick(world.now);
  world.ask(1);
  EXPECT_EQ(world.order()[3], calm[0]) << "hysteresis: still well above the mean";
  world.directory.on_renewed(calm[0], registration::ReplicatorState::Active, {}, Duration(60'000),
                             world.store_ms());
  world.directory.tick(world.now);
  world.ask(1);
  EXPECT_EQ(world.order(), calm);
}

TEST(Answer, GivesOnlyTheTransportThatWasAskedFor) {
  World world;
  world.add(1, {.addresses = {{AddressKind::Tcp, "a.example", 1, ""},
                              {AddressKind::WebSocket, "", 0, "wss://b.example/x\"y"}}});
  world.list(1, {1});
  world.ask(1);
  EXPECT_EQ(world.endpoints().size(), 2u);
  LookupQuery query = World::query_of(1);
  query.transport = AddressKind::WebSocket;
  world.ask(query);
  ASSERT_EQ(world.endpoints().size(), 1u);
  EXPECT_EQ(world.endpoints()[0].host, "b.example");
  EXPECT_EQ(world.endpoints()[0].port, 443);
  EXPECT_EQ(world.endpoints()[0].url, "wss://b.example/x\"y");
}

TEST(Answer, WithoutTheTransportNobodyCanServe) {
  World world;
  world.add(1);
  world.list(1, {1});
  LookupQuery query = World::query_of(1);
  query.transport = AddressKind::WebSocket;
  EXPECT_EQ(world.ask(query).status, DirectoryStatus::NobodyCanServe);
}

TEST(Answer, OnlyProofsByTheKeyholderCountWhereOneIsAskedFor) {
  World world;
  world.add(1);
  world.list(1, {1}, true);
  LookupQuery query = World::query_of(1);
  query.keyholder = pair_of(200).public_key;
  EXPECT_EQ(world.ask(query).status, DirectoryStatus::Found);
  query.keyholder = pair_of(201).public_key;
  EXPECT_EQ(world.ask(query).status, DirectoryStatus::UnknownKey);
  query.keyholder = pair_of(200).public_key;
  world.now += Duration(3'600'000);
  world.add(1);
  EXPECT_EQ(world.ask(query).status, DirectoryStatus::UnknownKey) << "the proof is over";
  world.ask(1);
  ASSERT_EQ(world.endpoints().size(), 1u);
  EXPECT_FALSE(world.endpoints()[0].proof) << "and is not given any more";
}

TEST(Answer, StaysBounded) {
  World world;
  std::vector<Address> const eight(8, {AddressKind::Tcp, "a.example", 1, ""});
  for (Byte const number : bytes_to(20)) world.add(number, {.addresses = eight});
  world.list(1, bytes_to(20));
  world.ask(1);
  EXPECT_EQ(world.endpoints().size(), registration::kEndpointsMax);
}

TEST(Answer, ATamperedRecordReachesNobody) {
  World world;
  ReplicatorEntry entry = world.entry(1);
  entry.signed_record[50] ^= 1;
  world.directory.on_replicator(entry, world.store_ms());
  ReplicatorEntry other = world.entry(2);
  other.id = pair_of(3).public_key;
  world.directory.on_replicator(other, world.store_ms());
  world.list(1, {1, 2, 3});
  EXPECT_EQ(world.ask(1).status, DirectoryStatus::UnknownKey);
}

TEST(Answer, LinesOfAnotherGenerationDoNotCount) {
  World world;
  world.add(1, {.generation = 2});
  world.list(1, {1});
  EXPECT_EQ(world.ask(1).status, DirectoryStatus::UnknownKey);
  world.add(1, {.generation = 1});
  EXPECT_EQ(world.ask(1).status, DirectoryStatus::Found);
}

TEST(Answer, ItsHashChangesWithWhatIsSaidAndNotWithTime) {
  World world;
  world.add(1);
  world.add(2);
  world.list(1, {1, 2}, true);
  std::uint64_t const first = world.ask(1).hash;
  world.now += Duration(5'000);
  EXPECT_EQ(world.ask(1).hash, first);
  LookupQuery elsewhere = World::query_of(1, "eu");
  world.add(2, {.region = "eu"});
  std::uint64_t const other = world.ask(1).hash;
  EXPECT_NE(other, first);
  world.list(1, {1}, true);
  std::uint64_t const one = world.ask(1).hash;
  EXPECT_NE(one, other);
  world.list(1, {1}, false);
  EXPECT_NE(world.ask(1).hash, one);
}

TEST(Answer, LeastAndFirstSecondsAreThoseOfTheEndpoints) {
  World world;
  world.add(1, {.region = "eu", .lease_left = Duration(50'000)});
  world.add(2, {.lease_left = Duration(20'000)});
  world.list(1, {1, 2});
  DirectoryAnswer const answer = world.ask(World::query_of(1, "eu"));
  EXPECT_EQ(answer.first_left_s, 50u);
  EXPECT_EQ(answer.least_left_s, 20u);
}

TEST(Trace, SaysWhyForEveryHost) {
  World world;
  world.add(1);
  world.add(2, {.state = registration::ReplicatorState::Draining});
  world.add(3, {.lease_left = Duration(0)});
  world.add(4, {.self_test = SelfTest::Pending});
  world.add(5, {.self_test = SelfTest::Failed});
  world.add(6);
  world.add(7);
  world.add(8, {.is_out = true});
  world.list(1, {1, 2, 3, 4, 5, 6, 8, 9});
  world.directory.tick(world.now);
  world.ask(1);
  std::map<PublicKey, Verdict> verdicts;
  for (TraceLine const& line : world.directory.trace(World::query_of(1), world.now)) {
    verdicts[line.id] = line.verdict;
  }
  EXPECT_EQ(world.directory.trace(World::query_of(1), world.now)[0].verdict, Verdict::Chosen);
  EXPECT_EQ(verdicts.size(), 7u) << "9 is not in the table";
  EXPECT_EQ(verdicts[pair_of(1).public_key], Verdict::Chosen);
  EXPECT_EQ(verdicts[pair_of(2).public_key], Verdict::Draining);
  EXPECT_EQ(verdicts[pair_of(3).public_key], Verdict::LeaseRanOut);
  EXPECT_EQ(verdicts[pair_of(4).public_key], Verdict::NotTested);
  EXPECT_EQ(verdicts[pair_of(5).public_key], Verdict::TestFailed);
  EXPECT_EQ(verdicts[pair_of(8).public_key], Verdict::Unhealthy);
  LookupQuery query = World::query_of(1);
  query.transport = AddressKind::WebSocket;
  for (TraceLine const& line : world.directory.trace(query, world.now)) {
    bool const is_able = line.id == pair_of(1).public_key || line.id == pair_of(6).public_key;
    EXPECT_EQ(line.verdict == Verdict::NoTransport, is_able);
  }
}

}  // namespace
}  // namespace holdfast::discovery
