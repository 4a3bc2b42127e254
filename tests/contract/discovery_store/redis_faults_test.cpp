// A single Redis that stalls, dies, is flushed or comes back; and instances that do.
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "discovery/registry/nonce.h"
#include "discovery/store/redis_keys.h"
#include "discovery/store/redis_scripts.h"
#include "discovery/store/store_codec.h"
#include "redis_server.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;
using registration::ReplicatorState;
using Seen = Recorder::Seen;
using std::chrono::milliseconds;

PublicKey id_of(Byte seed) { return pair_of(seed).public_key; }

/// An instance: a store, and a watcher that notes what it is told.
struct Instance {
  Instance(StoreOptions const& options, RedisOptions const& redis)
      : store(make_redis_store(options, redis)) {
    store->watch(recorder);
    EXPECT_TRUE(recorder.await([](Seen const& seen) { return seen.tables == 1; }));
  }
  ~Instance() { store.reset(); }
  Instance(Instance const&) = delete;
  Instance& operator=(Instance const&) = delete;

  Recorder recorder;
  std::unique_ptr<RecordStore> store;
};

class RedisFaultTest : public testing::Test {
 protected:
  void SetUp() override {
    put(1);
    ASSERT_TRUE(store().change_projects(id_of(1), adding({key_of(1)})).ok());
  }
  RecordStore& store() { return *one_.store; }
  void put(Byte seed, std::uint64_t seq = 1) {
    auto const answer = store().put_registration(record_of(seed, {.seq = seq}), "192.0.2.1");
    ASSERT_TRUE(answer.ok()) << to_string(answer.error());
  }
  static StoreOptions options() {
    StoreOptions out;
    out.lease = Duration(8'000);
    return out;
  }
  bool comes_back() {
    auto const end = Clock::now() + std::chrono::seconds(10);
    while (Clock::now() < end) {
      if (store().now_unix_ms().ok()) return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  }

  RedisServer server_;
  Instance one_{options(), server_.options()};
};

TEST_F(RedisFaultTest, AFlushIsToldAsLossAndAnEmptyTable) {
  server_.command("FLUSHALL");
  ASSERT_TRUE(one_.recorder.await([](Seen const& seen) { return seen.tables == 2; }));
  Seen const seen = one_.recorder.seen();
  EXPECT_EQ(seen.lost, 1);
  EXPECT_TRUE(seen.replicators.empty());
  EXPECT_TRUE(seen.recovering);
  EXPECT_TRUE(store().hosting_of(key_of(1))->recovering);
}

TEST_F(RedisFaultTest, ARestartIsToldAsLossAndChangesAreToldAfterwards) {
  server_.kill();
  ASSERT_TRUE(one_.recorder.await([](Seen const& seen) { return seen.lost == 1; }));
  server_.start();
  ASSERT_TRUE(one_.recorder.await([](Seen const& seen) { return seen.tables == 2; }));
  ASSERT_TRUE(comes_back());
  put(2);
  ASSERT_TRUE(store().change_projects(id_of(2), adding({key_of(9)})).ok());
  EXPECT_TRUE(one_.recorder.await([](Seen const& seen) {
    return seen.replicators.contains(id_of(2)) && seen.hosting.contains(key_of(9));
  }));
}

TEST_F(RedisFaultTest, AStallIsToldAsLossWithinTwoPings) {
  auto const began = Clock::now();
  server_.send_signal(SIGSTOP);
  EXPECT_TRUE(one_.recorder.await([](Seen const& seen) { return seen.lost == 1; }));
  auto const took = Clock::now() - began;
  server_.send_signal(SIGCONT);
  RecordProperty("ms_until_told", static_cast<int>(took / milliseconds(1)));
  EXPECT_LT(took, std::chrono::seconds(2));
  EXPECT_TRUE(one_.recorder.await([](Seen const& seen) { return seen.tables == 2; }));
  EXPECT_TRUE(one_.recorder.seen().replicators.contains(id_of(1)));
}

TEST_F(RedisFaultTest, ALostSubscriptionAloneIsNoticed) {
  server_.command({"CLIENT", "KILL", "TYPE", "pubsub"});
  ASSERT_TRUE(one_.recorder.await([](Seen const& seen) { return seen.tables == 2; }));
  EXPECT_EQ(one_.recorder.seen().lost, 1);
  ASSERT_TRUE(store().change_projects(id_of(1), adding({key_of(5)})).ok());
  EXPECT_TRUE(
      one_.recorder.await([](Seen const& seen) { return seen.hosting.contains(key_of(5)); }));
}

TEST_F(RedisFaultTest, ALostDataConnectionCostsAtMostOneCall) {
  server_.command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  EXPECT_TRUE(comes_back());
  EXPECT_TRUE(store().renew(id_of(1), {}).ok());
}

TEST_F(RedisFaultTest, ScriptsThatWereFlushedAreSentAgain) {
  server_.command(std::vector<std::string>{"SCRIPT", "FLUSH"});
  EXPECT_TRUE(store().renew(id_of(1), {}).ok());
}

/// PRACTICES 17: what was sent before a stall must not do its work long after it was given up.
TEST_F(RedisFaultTest, AWriteThatAStalledRedisFindsMuchLaterChangesNothing) {
  server_.send_signal(SIGSTOP);
  EXPECT_FALSE(store().renew(id_of(1), {.state = ReplicatorState::Draining, .load = {}}).ok());
  EXPECT_FALSE(store().change_projects(id_of(1), adding({key_of(7)})).ok());
  std::this_thread::sleep_for(milliseconds(2'500));
  server_.send_signal(SIGCONT);
  ASSERT_TRUE(comes_back());
  EXPECT_EQ(store().find(id_of(1))->state, ReplicatorState::Active);
  EXPECT_EQ(store().find(id_of(1))->projects, 1U);
  EXPECT_TRUE(store().hosting_of(key_of(7))->lines.empty());
}

TEST_F(RedisFaultTest, AnOutageExtendsALeaseOnceByItsLength) {
  Instance two(options(), server_.options());
  put(2);
  std::this_thread::sleep_for(milliseconds(1'100));  // Both have beaten.
  Duration const before = store().find(id_of(1))->lease_left;
  auto const stopped = Clock::now();
  server_.send_signal(SIGSTOP);
  std::this_thread::sleep_for(milliseconds(3'000));
  server_.send_signal(SIGCONT);
  ASSERT_TRUE(comes_back());
  auto const outage = std::chrono::duration_cast<Duration>(Clock::now() - stopped);
  std::this_thread::sleep_for(milliseconds(2'000));  // Both have beaten.
  Duration const left = store().find(id_of(1))->lease_left;
  Duration const passed = std::chrono::duration_cast<Duration>(Clock::now() - stopped) - outage;
  // Before the stall, the last beat was at most half a second ago; a second extension would show as
  // three more.
  EXPECT_GE(left, before - passed - Duration(300));
  EXPECT_LE(left, before - passed + Duration(1'000));
}

TEST_F(RedisFaultTest, AnInstanceThatAloneWasCutOffExtendsNothing) {
  // Its beats stop, the other's do not: the store was there all the time.
  Instance two(options(), server_.options());
  pid_t const child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto const stalled = make_redis_store(options(), server_.options());
    while (true) ::pause();
  }
  std::this_thread::sleep_for(milliseconds(800));
  ::kill(child, SIGSTOP);
  std::this_thread::sleep_for(milliseconds(2'500));
  Duration const before = store().find(id_of(1))->lease_left;
  ::kill(child, SIGCONT);
  std::this_thread::sleep_for(milliseconds(1'200));
  EXPECT_LT(store().find(id_of(1))->lease_left, before);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_F(RedisFaultTest, TooManyWaitersAreSentAwayAtOnce) {
  RedisOptions redis = server_.options();
  redis.connections_max = 1;
  redis.waiters_max = 2;
  auto const narrow = make_redis_store(options(), redis);
  ASSERT_TRUE(narrow->now_unix_ms().ok());
  server_.send_signal(SIGSTOP);
  std::atomic<int> sent_away = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&] {
      auto const answer = narrow->now_unix_ms();
      ASSERT_FALSE(answer.ok());
      if (answer.error().detail == "too many calls wait for Redis") ++sent_away;
    });
  }
  for (std::thread& caller : callers) caller.join();
  server_.send_signal(SIGCONT);
  EXPECT_GE(sent_away, 6);
}

TEST_F(RedisFaultTest, ARenewalFromBeforeAFlushIsRefusedAfterIt) {
  auto const nonce = issue_nonce(store());
  ASSERT_TRUE(nonce.ok());
  auto const use = check_renewal_nonce(store(), *nonce);
  ASSERT_TRUE(use.ok());
  ASSERT_TRUE(store().renew(id_of(1), {}, *use).ok());
  server_.command("FLUSHALL");
  Instance two(options(), server_.options());
  ASSERT_TRUE(two.store->nonce_state(Freshness::Now).ok());
  ASSERT_TRUE(two.store->put_registration(record_of(1), "192.0.2.1").ok());
  // This instance may still go by the old secret; the record does not.
  EXPECT_EQ(store().renew(id_of(1), {}, *use).error().code, ErrorCode::Denied);
}

TEST_F(RedisFaultTest, WhatIsJustListedAgainIsNotPruned) {
  auto const before = store().hosting_of(key_of(1));
  ASSERT_EQ(before->lines.size(), 1U);
  std::string const old_line =
      encode_line({prefix_of(id_of(1)), before->lines[0].generation, std::nullopt});
  ASSERT_TRUE(store().deregister(id_of(1)).ok());
  // Another instance has judged the line dead, and stalls; meanwhile the replicator is back.
  put(1, 2);
  ASSERT_TRUE(store().change_projects(id_of(1), adding({key_of(1)})).ok());
  server_.command(
      {"EVAL", std::string(script_text(Script::Prune)), "1", hosting_key(key_of(1)), old_line});
  auto const after = store().hosting_of(key_of(1));
  ASSERT_EQ(after->lines.size(), 1U);
  EXPECT_EQ(after->lines[0].generation, store().find(id_of(1))->generation);
}

TEST_F(RedisFaultTest, AnOlderListingDoesNotReplaceANewerOne) {
  auto const now = store().hosting_of(key_of(1))->lines.at(0);
  std::string const old_line = encode_line({prefix_of(id_of(1)), now.generation - 1, std::nullopt});
  RedisReply const late = server_.ask({"EVAL", std::string(script_text(Script::AddLine)), "1",
                                       hosting_key(key_of(1)), "0", old_line, "1024"});
  EXPECT_EQ(late.text, "late");
  server_.command({"EVAL", std::string(script_text(Script::RemoveLine)), "1",
                   hosting_key(key_of(1)), "0", old_line});
  EXPECT_EQ(store().hosting_of(key_of(1))->lines, std::vector<Hosting>{now});
}

/// PRACTICES 9: a lock that is prolonged or dropped without asking whose it is.
TEST_F(RedisFaultTest, Defect9TheTurnOfAnotherIsNeitherProlongedNorEnded) {
  server_.command({"SET", kTurnKey, "another", "PX", "5000"});
  RedisOptions redis = server_.options();
  redis.upkeep_every = Duration(10);
  redis.sweep_every = Duration(10);
  {
    auto const eager = make_redis_store(options(), redis);
    std::this_thread::sleep_for(milliseconds(300));
  }
  EXPECT_EQ(server_.ask({"GET", kTurnKey}).text, "another");
  EXPECT_LT(server_.ask({"PTTL", kTurnKey}).number(), 4'800U);
}

/// PRACTICES 10: counters that drift when something breaks off between two steps.
TEST_F(RedisFaultTest, Defect10WhatBrokeOffHealsWhenTheKeysAreSentAgain) {
  ASSERT_TRUE(store().change_projects(id_of(1), adding({key_of(2), key_of(3)})).ok());
  server_.command({"DEL", hosting_key(key_of(2))});          // Counted, but not listed.
  server_.command({"DEL", ReplicatorKeys(id_of(1)).index});  // Listed, but not counted.
  EXPECT_EQ(store().renew(id_of(1), {})->projects, 0U) << "it is told, and sends its keys";
  auto const again = store().change_projects(id_of(1), adding({key_of(1), key_of(2), key_of(3)}));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->projects, 3U);
  for (std::uint64_t key = 1; key <= 3; ++key) {
    EXPECT_EQ(store().hosting_of(key_of(key))->lines.size(), 1U) << key;
  }
}

/// PRACTICES 10: one announce must not cost as much as the whole swarm.
TEST_F(RedisFaultTest, Defect10AHostingSetIsBounded) {
  StoreOptions bounded = options();
  bounded.hosts_per_key_max = 5;
  auto const small = make_redis_store(bounded, server_.options());
  for (Byte seed = 1; seed <= 20; ++seed) {
    put(seed, 2);
    ASSERT_TRUE(small->change_projects(id_of(seed), adding({key_of(1)})).ok());
  }
  EXPECT_EQ(small->hosting_of(key_of(1))->lines.size(), 5U);
}

/// PRACTICES 17: a sweeper that stalls in the middle of its work, and goes on later.
TEST_F(RedisFaultTest, Defect17AStalledSweeperTakesNothingThatCameBack) {
  RedisOptions redis = server_.options();
  redis.upkeep_every = Duration(1);
  redis.sweep_every = Duration(2);
  redis.forget_every = Duration(1);
  pid_t const child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto const sweeper = make_redis_store(options(), redis);
    while (true) ::pause();
  }
  std::vector<DiscoveryKey> keys;
  for (std::uint64_t i = 0; i < 50; ++i) keys.push_back(key_of(i));
  for (std::uint64_t round = 0; round < 40; ++round) {
    ASSERT_TRUE(store().deregister(id_of(1)).ok());
    std::this_thread::sleep_for(milliseconds(round % 7));
    ::kill(child, SIGSTOP);
    put(1, 10 + round);
    ASSERT_TRUE(store().change_projects(id_of(1), adding(keys)).ok());
    ::kill(child, SIGCONT);
    std::this_thread::sleep_for(milliseconds(5));
    std::uint64_t const generation = store().find(id_of(1))->generation;
    for (DiscoveryKey const& key : keys) {
      auto const set = store().hosting_of(key);
      ASSERT_EQ(set->lines.size(), 1U) << "round " << round;
      ASSERT_EQ(set->lines[0].generation, generation) << "round " << round;
    }
    ASSERT_EQ(store().list(std::nullopt, 10)->size(), 1U) << "round " << round;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

}  // namespace

}  // namespace holdfast::discovery
