#include "discovery/directory/directory.h"

#include <atomic>
#include <memory>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "base/random.h"
#include "directory_world.h"
#include "support/directory_model.h"

namespace holdfast::discovery {
namespace {

using registration::ReplicatorState;
using Status = DirectoryStatus;

TEST(Directory, BeforeTheStoreSpokeNothingIsKnown) {
  Directory directory({}, [] { return Instant(Duration(0)); });
  std::string body;
  EXPECT_EQ(directory.look_up(World::query_of(1), Instant(Duration(0)), body).status, Status::Away);
}

TEST(Directory, AKeyIsFetchedOnce) {
  World world;
  world.add(1);
  world.list(1, {1});
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Wait) << "collapsed into one";
  EXPECT_EQ(world.ask_once(World::query_of(2)).status, Status::Fetch);
}

TEST(Directory, AHitNeedsNoFetchUntilTheSetChanges) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Found);
  world.list(1, {});
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch);
}

TEST(Directory, AnUnknownKeyIsRememberedForAWhile) {
  World world;
  EXPECT_EQ(world.ask(1).status, Status::UnknownKey);
  DirectoryAnswer const again = world.ask_once(World::query_of(1));
  EXPECT_EQ(again.status, Status::UnknownKey);
  EXPECT_EQ(again.asked, 2u);
  world.now += Duration(30'000);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch);
}

TEST(Directory, AnUnknownKeyThatIsListedIsKnownAtOnce) {
  World world;
  world.add(1);
  EXPECT_EQ(world.ask(1).status, Status::UnknownKey);
  world.list(1, {1});
  EXPECT_EQ(world.ask(1).status, Status::Found);
}

TEST(Directory, APastedProjectKeyIsNoticed) {
  World world;
  world.add(1);
  CoreKey project;
  project.bytes.fill(7);
  world.sets[discovery_key_of(project)] = {
      {.id = pair_of(1).public_key, .generation = 1, .proof = std::nullopt}};
  EXPECT_EQ(world.ask(7).status, Status::ProjectKeySent);
}

TEST(Directory, UnknownMeansLittleWhileTheStoreRecovers) {
  World world;
  world.recovering = true;
  EXPECT_EQ(world.ask(1).status, Status::Recovering);
  world.recovering = false;
  world.now += Duration(1'000);
  EXPECT_EQ(world.ask(1).status, Status::UnknownKey);
}

TEST(Directory, WhatChangedWhileItWasFetchedIsFetchedAgain) {
  World world;
  world.add(1);
  world.list(1, {1});
  HostingSet const old = world.stored(key_of(1));
  DirectoryAnswer const first = world.ask_once(World::query_of(1));
  world.list(1, {});
  world.directory.fill(first.token, old, false, world.now);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch) << "the answer was too old";
}

TEST(Directory, WhoAsksAfterAChangeDoesNotJoinAnOldFetch) {
  World world;
  DirectoryAnswer const first = world.ask_once(World::query_of(1));
  world.directory.on_hosting(key_of(1));
  DirectoryAnswer const second = world.ask_once(World::query_of(1));
  EXPECT_EQ(second.status, Status::Fetch);
  world.directory.fill(second.token, world.stored(key_of(1)), false, world.now);
  world.add(1);
  world.directory.fill(first.token,
                       {.now_unix_ms = world.store_ms(),
                        .lines = {{.id = pair_of(1).public_key, .generation = 1, .proof = {}}},
                        .recovering = false},
                       false, world.now);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::UnknownKey)
      << "the late one is void";
}

TEST(Directory, AFetchThatHangsIsGivenToSomebodyElse) {
  World world;
  world.ask_once(World::query_of(1));
  world.now += Duration(1'999);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Wait);
  world.now += Duration(1);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch);
}

TEST(Directory, AFailedFetchIsAwayForAMoment) {
  World world;
  world.directory.fail(world.ask_once(World::query_of(1)).token, world.now);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Away);
  world.now += Duration(500);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch);
}

TEST(Directory, TooManyFetchesAreRefused) {
  DirectoryOptions options;
  options.fetches_max = 64;
  World world(options);
  int refused = 0;
  for (Byte key = 0; key < 200; ++key) {
    refused += world.ask_once(World::query_of(key)).status == Status::Overloaded ? 1 : 0;
  }
  EXPECT_GE(refused, 200 - 64);
  world.now += Duration(2'000);
  EXPECT_EQ(world.ask_once(World::query_of(0)).status, Status::Fetch) << "hung ones do not count";
}

TEST(Directory, DrainingLeavesTheAnswersAtOnce) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  world.directory.on_renewed(pair_of(1).public_key, ReplicatorState::Draining, {}, Duration(60'000),
                             world.store_ms());
  EXPECT_EQ(world.ask(1).status, Status::NobodyCanServe);
}

TEST(Directory, ARenewalIsSeenAtOnce) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.now += Duration(60'000);
  EXPECT_EQ(world.ask(1).status, Status::NobodyCanServe);
  world.directory.on_renewed(pair_of(1).public_key, ReplicatorState::Active, {}, Duration(60'000),
                             world.store_ms());
  world.ask(1);
  EXPECT_EQ(world.endpoints()[0].expires_in_s, 60u);
}

TEST(Directory, ANewRecordIsGivenAtOnce) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  world.add(1, {.addresses = {{registration::AddressKind::Tcp, "new.example", 9, ""}}, .seq = 2});
  world.ask(1);
  EXPECT_EQ(world.endpoints()[0].host, "new.example");
}

TEST(Directory, WhoIsGoneIsUnknown) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  world.directory.on_gone(pair_of(1).public_key);
  EXPECT_EQ(world.ask(1).status, Status::UnknownKey);
}

TEST(Directory, AReplicatorMayAppearAfterItsKeys) {
  World world;
  world.list(1, {1});
  EXPECT_EQ(world.ask(1).status, Status::UnknownKey);
  world.add(1);
  EXPECT_EQ(world.ask(1).status, Status::Found);
}

TEST(Directory, OnlyTestedReplicatorsAreGiven) {
  World world;
  world.list(1, {1});
  world.add(1, {.self_test = SelfTest::Pending});
  EXPECT_EQ(world.ask(1).status, Status::NobodyCanServe);
  world.add(1, {.self_test = SelfTest::Failed});
  EXPECT_EQ(world.ask(1).status, Status::NobodyCanServe);
  world.add(1);
  EXPECT_EQ(world.ask(1).status, Status::Found);
}

TEST(Directory, BelowHalfHealthyHealthIsIgnored) {
  World world;
  for (Byte number = 1; number <= 4; ++number) world.add(number);
  world.list(1, {1, 2, 3, 4});
  for (Byte number = 1; number <= 2; ++number) world.add(number, {.is_out = true});
  world.directory.tick(world.now);
  world.ask(1);
  EXPECT_EQ(world.endpoints().size(), 2u);
  world.add(3, {.is_out = true});
  EXPECT_TRUE(world.directory.tick(world.now).is_panic);
  world.ask(1);
  EXPECT_EQ(world.endpoints().size(), 4u);
}

TEST(Directory, UnderTheGuardAPassedProbeIsAsGoodAsARenewal) {
  World world;
  world.add(1, {.lease_left = Duration(0), .last_pass_ago_ms = 20'000});
  world.add(2, {.lease_left = Duration(0), .last_pass_ago_ms = 60'000});
  world.add(3, {.lease_left = Duration(0)});
  world.list(1, {1, 2, 3});
  EXPECT_EQ(world.ask(1).status, Status::NobodyCanServe);
  world.directory.set_guard(true);
  EXPECT_EQ(world.ask(1).status, Status::Found);
  ASSERT_EQ(world.endpoints().size(), 1u);
  EXPECT_EQ(world.endpoints()[0].expires_in_s, 40u) << "a lease from the probe on";
  world.now += Duration(40'000);
  EXPECT_EQ(world.ask(1).status, Status::NobodyCanServe) << "neither renewed nor probed";
}

TEST(Directory, WhileTheStoreIsAwayAnswersRunDownMarked) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  world.ask(2);
  world.directory.on_lost();
  world.now += Duration(10'000);
  world.directory.on_lost();
  DirectoryAnswer const answer = world.ask_once(World::query_of(1));
  EXPECT_EQ(answer.status, Status::Found);
  EXPECT_EQ(answer.degraded_for, Duration(10'000)) << "since the first loss";
  EXPECT_EQ(world.endpoints()[0].expires_in_s, 35u);
  EXPECT_EQ(world.ask_once(World::query_of(2)).status, Status::Fetch) << "unknown is not concluded";
  world.now += Duration(36'000);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Away) << "nor that nobody serves";
}

TEST(Directory, AfterALossNothingOldIsBelieved) {
  World world;
  world.add(1);
  world.add(2);
  world.list(1, {1});
  world.ask(1);
  DirectoryAnswer const fetch = world.ask_once(World::query_of(2));
  world.directory.on_lost();
  world.directory.on_table({world.entry(2)}, world.store_ms(), false);
  EXPECT_EQ(world.ask_once(World::query_of(1)).status, Status::Fetch);
  world.directory.fill(fetch.token, world.stored(key_of(2)), false, world.now);
  EXPECT_EQ(world.ask_once(World::query_of(2)).status, Status::Fetch)
      << "a fetch from before may have missed a change";
  EXPECT_EQ(world.directory.replicator_count(), 1u);
  EXPECT_FALSE(world.directory.is_away());
}

TEST(Directory, AnotherInstancesWrongClockMattersNowhere) {
  World world;
  world.add(1);
  world.list(1, {1});
  world.ask(1);
  std::uint64_t const left = world.endpoints()[0].expires_in_s;
  World late;
  late.now += Duration(3'600'000);
  late.directory.on_lost();
  late.directory.on_table({world.entry(1)}, world.store_ms(), false);
  DirectoryAnswer const fetch = late.ask_once(World::query_of(1));
  late.directory.fill(fetch.token, world.stored(key_of(1)), false, late.now);
  late.ask_once(World::query_of(1));
  EXPECT_EQ(late.endpoints()[0].expires_in_s, left);
}

TEST(Directory, CandidatesSayWhoTakesOnKeys) {
  World world;
  registration::LoadFigures full;
  full.projects = 10;
  auto const assigned = registration::AcceptMode::Assigned;
  world.add(1, {.accept = assigned});
  world.add(2);
  world.add(3, {.capacity = 10, .accept = assigned, .load = full});
  world.add(4, {.accept = assigned, .state = ReplicatorState::Draining});
  std::map<PublicKey, Verdict> standing;
  std::shared_ptr<std::vector<Candidate> const> const now =
      world.directory.candidates(world.now, Freshness::Now);
  for (Candidate const& each : *now) standing[each.id] = each.standing;
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Now), now)
      << "nothing changed: the same list";
  EXPECT_EQ(standing[pair_of(1).public_key], Verdict::Chosen);
  EXPECT_EQ(standing[pair_of(2).public_key], Verdict::NotAccepting);
  EXPECT_EQ(standing[pair_of(3).public_key], Verdict::Full);
  EXPECT_EQ(standing[pair_of(4).public_key], Verdict::Draining);
  world.directory.on_gone(pair_of(1).public_key);
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Now)->size(), 3u)
      << "a change is seen at once";
  world.now += Duration(46'000);
  std::shared_ptr<std::vector<Candidate> const> const late =
      world.directory.candidates(world.now, Freshness::Recent);
  for (Candidate const& each : *late) EXPECT_EQ(each.standing, Verdict::LeaseRanOut);
}

TEST(Directory, RecentCandidatesMissChangesForFiftyMilliseconds) {
  World world;
  world.add(1);
  auto const first = world.directory.candidates(world.now, Freshness::Recent);
  ASSERT_EQ(first->size(), 1u);
  world.add(2);
  world.now += Duration(49);
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Recent), first);
  world.now += Duration(1);
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Recent)->size(), 2u);
  world.add(3);
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Recent)->size(), 2u);
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Now)->size(), 3u);
}

TEST(Directory, RecentCandidatesAreMadeOnceInFiftyMillisecondsWhileAFleetRegisters) {
  World world;
  std::set<std::shared_ptr<std::vector<Candidate> const>> lists;
  for (int ms = 0; ms < 200; ++ms) {
    world.add(static_cast<Byte>(1 + ms));
    lists.insert(world.directory.candidates(world.now, Freshness::Recent));
    world.now += Duration(1);
  }
  EXPECT_EQ(lists.size(), 4u);
}

TEST(Directory, CandidatesAreNotOlderThanTwoHundredMilliseconds) {
  World world;
  world.add(1);
  auto const first = world.directory.candidates(world.now, Freshness::Recent);
  world.now += Duration(200);
  EXPECT_EQ(world.directory.candidates(world.now, Freshness::Recent), first);
  world.now += Duration(1);
  EXPECT_NE(world.directory.candidates(world.now, Freshness::Recent), first);
}

TEST(Directory, CountsWhoIsListedAndWhyOthersAreNot) {
  World world;
  world.add(1);
  world.add(2, {.state = ReplicatorState::Draining});
  world.add(3, {.lease_left = Duration(0)});
  world.add(4, {.self_test = SelfTest::Pending});
  ReplicatorCounts const counts = world.directory.tick(world.now);
  EXPECT_EQ(counts.listed, 1u);
  EXPECT_EQ(counts.draining, 1u);
  EXPECT_EQ(counts.expired, 1u);
  EXPECT_EQ(counts.untested, 1u);
}

TEST(Directory, IsHostedOnlyWhereALineCounts) {
  World world;
  EXPECT_EQ(world.directory.is_hosted(key_of(1), world.now), std::nullopt);
  world.ask(1);
  EXPECT_EQ(world.directory.is_hosted(key_of(1), world.now), false);
  world.list(1, {1});
  world.ask(1);
  EXPECT_EQ(world.directory.is_hosted(key_of(1), world.now), false);
  world.add(1);
  EXPECT_EQ(world.directory.is_hosted(key_of(1), world.now), true);
}

TEST(Directory, AgreesWithThePlainTruthOverRandomStories) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    SeededRng rng(seed);
    Bytes input(4'000);
    for (Byte& byte : input) byte = static_cast<Byte>(rng.next());
    DirectoryModel(input).run();
  }
}

/// For ThreadSanitizer: look-ups while everything changes.
TEST(Directory, LookupsGoOnWhileEverythingChanges) {
  World world;
  for (Byte number = 1; number <= 4; ++number) world.add(number);
  for (Byte key = 1; key <= 8; ++key) world.list(key, {1, 2, 3, 4}, true);
  std::atomic<bool> stop{false};
  Instant const now = world.now;
  auto const read = [&] {
    std::string body;
    while (!stop) {
      for (Byte key = 1; key <= 8; ++key) {
        body.clear();
        DirectoryAnswer const answer = world.directory.look_up(World::query_of(key), now, body);
        if (answer.status == Status::Fetch) {
          world.directory.fill(answer.token, world.stored(key_of(key)), false, now);
        }
        if (body.empty()) continue;
        EXPECT_TRUE(registration::lookup_answer_from_json(body).ok());
      }
    }
  };
  std::thread first(read);
  std::thread second(read);
  ReplicatorEntry const old = world.entry(1);
  ReplicatorEntry const fresh = world.entry(1, {.region = "eu", .seq = 2});
  for (int round = 0; round < 200; ++round) {
    world.directory.on_replicator(round % 2 == 0 ? fresh : old, world.store_ms());
    world.directory.on_hosting(key_of(static_cast<Byte>(1 + round % 8)));
    world.directory.on_renewed(pair_of(2).public_key, ReplicatorState::Active, {}, Duration(60'000),
                               world.store_ms());
    if (round % 20 == 0) world.directory.on_gone(pair_of(3).public_key);
    world.directory.candidates(now, Freshness::Recent);
  }
  stop = true;
  first.join();
  second.join();
}

}  // namespace
}  // namespace holdfast::discovery
