// What only a store behind a network can get wrong: losing its data, going away, not answering.
#include "discovery/store/redis_store.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

#include "discovery/registry/nonce.h"
#include "discovery/store/redis_keys.h"
#include "hosts_of.h"
#include "redis_server.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;

class RedisStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(put(*store_));
    ASSERT_TRUE(store_->change_projects(id(), adding({key_of(1)})).ok());
  }
  static StoreOptions options() {
    StoreOptions out;
    out.lease = Duration(1'500);
    return out;
  }
  static PublicKey id() { return pair_of(1).public_key; }
  static void put(RecordStore& store) {
    auto const answer = store.put_registration(record_of(1), "192.0.2.1");
    ASSERT_TRUE(answer.ok()) << to_string(answer.error());
  }
  enum class LookupOutcome { Found, UnknownKey, NobodyCanServe, Recovering };
  LookupOutcome ask(RecordStore& store, DiscoveryKey const& key = key_of(1)) {
    auto const hosts = hosts_of(store, {key, "", std::nullopt});
    EXPECT_TRUE(hosts.ok());
    if (!hosts) return LookupOutcome::UnknownKey;
    if (!hosts->hosts.empty()) return LookupOutcome::Found;
    if (hosts->known) return LookupOutcome::NobodyCanServe;
    return hosts->recovering ? LookupOutcome::Recovering : LookupOutcome::UnknownKey;
  }
  /// Asks until the store answers; how long that took is bounded by the caller's assertion.
  static bool answers_within(RecordStore& store, std::chrono::milliseconds limit) {
    auto const end = Clock::now() + limit;
    while (Clock::now() < end) {
      if (store.now_unix_ms().ok()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  RedisServer server_;
  std::unique_ptr<RecordStore> store_ = make_redis_store(options(), server_.options());
};

TEST_F(RedisStoreTest, TwoInstancesSeeEachOther) {
  auto const other = make_redis_store(options(), server_.options());
  EXPECT_EQ(ask(*other), LookupOutcome::Found);
  ASSERT_TRUE(other->deregister(id()).ok());
  EXPECT_EQ(ask(*store_), LookupOutcome::UnknownKey);
}

TEST_F(RedisStoreTest, ANonceOfOneInstanceCountsOnceAtAll) {
  auto const other = make_redis_store(options(), server_.options());
  auto const nonce = issue_nonce(*store_);
  ASSERT_TRUE(nonce.ok());
  EXPECT_TRUE(use_nonce(*other, id(), *nonce).ok());
  EXPECT_EQ(use_nonce(*store_, id(), *nonce).error().code, ErrorCode::Denied);
}

TEST_F(RedisStoreTest, NoncesInUseAreBoundedAndThoseThatAreOverTakeNoRoom) {
  constexpr int kMost = 4'096;
  NonceUse use{store_->nonce_state(Freshness::Now)->secret, "", Duration(0)};
  auto const spend = [&](int number) {
    use.name = std::to_string(number);
    return store_->spend_nonce(id(), use);
  };
  for (int i = 0; i < kMost + 100; ++i) ASSERT_TRUE(spend(i).ok()) << i;
  use.life = Duration(600'000);
  for (int i = 0; i < kMost; ++i)
    ASSERT_TRUE(spend(i).ok()) << i << " was used, but its life is over";
  EXPECT_EQ(spend(1).error().code, ErrorCode::Denied);
  EXPECT_EQ(spend(kMost).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(spend(kMost).error().code, ErrorCode::Unavailable) << "what was refused was not used";
}

TEST_F(RedisStoreTest, ADamagedRecordSpoilsNoOthersRenewal) {
  for (Byte seed = 2; seed <= 3; ++seed)
    ASSERT_TRUE(store_->put_registration(record_of(seed), "192.0.2.1").ok());
  server_.command({"SET", ReplicatorKeys(pair_of(2).public_key).record, "not a hash"});
  std::vector<Renewal> renewals;
  for (Byte seed = 1; seed <= 3; ++seed) renewals.push_back({pair_of(seed).public_key, {}, {}});
  auto const results = store_->renew_all(renewals);
  EXPECT_TRUE(results[0].ok());
  EXPECT_EQ(results[1].error().code, ErrorCode::Unavailable);
  EXPECT_TRUE(results[2].ok());
}

TEST(RedisStore, AClusterOfOneNodeThatIsNamedAsOneServerRenewsAll) {
  RedisServer server({"--cluster-enabled", "yes"});
  server.command({"CLUSTER", "ADDSLOTSRANGE", "0", std::to_string(kSlotCount - 1)});
  auto const is_up = [&] {
    return server.ask({"CLUSTER", "INFO"}).text.find("state:ok") != std::string::npos;
  };
  for (int i = 0; i < 500 && !is_up(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  auto const store = make_redis_store({}, server.options());
  std::vector<Renewal> renewals;
  for (Byte seed = 1; seed <= 3; ++seed) {
    ASSERT_TRUE(store->put_registration(record_of(seed), "192.0.2.1").ok());
    renewals.push_back({pair_of(seed).public_key, {}, {}});
  }
  auto const use = check_renewal_nonce(*store, *issue_nonce(*store));
  ASSERT_TRUE(use.ok());
  renewals[0].nonce = *use;
  for (auto const& result : store->renew_all(renewals))
    EXPECT_TRUE(result.ok()) << to_string(result.error());
  renewals[0].nonce.reset();
  for (auto const& result : store->renew_all(renewals)) EXPECT_TRUE(result.ok());
}

TEST_F(RedisStoreTest, OtherDatabasesAreOtherWorlds) {
  RedisOptions elsewhere = server_.options();
  elsewhere.database = 3;
  EXPECT_EQ(ask(*make_redis_store(options(), elsewhere)), LookupOutcome::UnknownKey);
}

TEST_F(RedisStoreTest, AfterLosingAllDataARenewalIsToldToRegister) {
  server_.command("FLUSHALL");
  auto const renewed = store_->renew(id(), {});
  ASSERT_FALSE(renewed.ok());
  EXPECT_EQ(renewed.error().code, ErrorCode::NotFound);
  put(*store_);
  ASSERT_TRUE(store_->change_projects(id(), adding({key_of(1)})).ok());
  EXPECT_EQ(ask(*store_), LookupOutcome::Found);
}

TEST_F(RedisStoreTest, AfterLosingAllDataUnknownMeansLittleForOneLease) {
  server_.command("FLUSHALL");
  EXPECT_EQ(ask(*store_), LookupOutcome::Recovering);
  put(*store_);
  EXPECT_EQ(ask(*store_, key_of(2)), LookupOutcome::Recovering);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'550));
  EXPECT_EQ(ask(*store_, key_of(2)), LookupOutcome::UnknownKey);
}

TEST_F(RedisStoreTest, AnInstanceThatNeverSawARegistrationDoesNotRecover) {
  server_.command("FLUSHALL");
  EXPECT_EQ(ask(*make_redis_store(options(), server_.options())), LookupOutcome::UnknownKey);
}

TEST_F(RedisStoreTest, NoncesDieWithTheData) {
  auto const nonce = issue_nonce(*store_);
  ASSERT_TRUE(nonce.ok());
  ASSERT_TRUE(use_nonce(*store_, id(), *nonce).ok());
  server_.command("FLUSHALL");
  EXPECT_EQ(use_nonce(*store_, id(), *nonce).error().code, ErrorCode::Denied);
}

TEST_F(RedisStoreTest, WithoutRedisItSaysUnavailableAndComesBackByItself) {
  server_.kill();
  for (int i = 0; i < 3; ++i) {
    auto const start = Clock::now();
    auto const answer = hosts_of(*store_, {key_of(1), "", std::nullopt});
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
    EXPECT_LT(Clock::now() - start, std::chrono::milliseconds(300));
  }
  server_.start();
  ASSERT_TRUE(answers_within(*store_, std::chrono::seconds(2)));
  EXPECT_EQ(ask(*store_), LookupOutcome::Recovering);
  put(*store_);
  ASSERT_TRUE(store_->change_projects(id(), adding({key_of(1)})).ok());
  EXPECT_EQ(ask(*store_), LookupOutcome::Found);
}

TEST_F(RedisStoreTest, ARestartNobodyNoticedCostsNoError) {
  server_.kill();
  server_.start();
  EXPECT_TRUE(store_->now_unix_ms().ok());
  EXPECT_EQ(ask(*store_), LookupOutcome::Recovering) << "scripts are sent again";
}

TEST_F(RedisStoreTest, ARedisThatWasAwayAtTheStartIsFoundLater) {
  server_.kill();
  auto const early = make_redis_store(options(), server_.options());
  EXPECT_EQ(early->now_unix_ms().error().code, ErrorCode::Unavailable);
  server_.start();
  EXPECT_TRUE(answers_within(*early, std::chrono::seconds(2)));
}

TEST_F(RedisStoreTest, ARedisThatStallsIsGivenUpInTime) {
  server_.send_signal(SIGSTOP);
  auto const start = Clock::now();
  auto const answer = store_->renew(id(), {});
  auto const took = Clock::now() - start;
  server_.send_signal(SIGCONT);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, ErrorCode::Unavailable);
  EXPECT_LT(took, std::chrono::milliseconds(300));
  EXPECT_TRUE(answers_within(*store_, std::chrono::seconds(2)));
}

TEST_F(RedisStoreTest, AStalledRedisHoldsNobodyBeyondTheTimeOut) {
  server_.send_signal(SIGSTOP);
  std::atomic<int> late = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 24; ++i) {  // Three times the connections.
    callers.emplace_back([this, &late] {
      auto const start = Clock::now();
      EXPECT_FALSE(store_->now_unix_ms().ok());
      if (Clock::now() - start > std::chrono::milliseconds(300)) ++late;
    });
  }
  for (std::thread& caller : callers) caller.join();
  server_.send_signal(SIGCONT);
  EXPECT_EQ(late, 0);
}

TEST_F(RedisStoreTest, ManyThreadsShareTheConnections) {
  std::vector<std::thread> callers;
  std::atomic<int> found = 0;
  for (int i = 0; i < 16; ++i) {
    callers.emplace_back([this, &found] {
      for (int round = 0; round < 50; ++round) {
        auto const answer = hosts_of(*store_, {key_of(1), "", std::nullopt});
        if (answer && answer->hosts.size() == 1) ++found;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(found, 16 * 50);
}

/// Lists many keys, leaves, and waits until the left-over lines are swept.
TEST(RedisSweep, WhatNobodyHostsLeavesNothingBehind) {
  RedisServer server;
  RedisOptions redis = server.options();
  redis.sweep_every = Duration(50);
  redis.upkeep_every = Duration(20);
  auto const store = make_redis_store(StoreOptions{}, redis);
  ASSERT_TRUE(store->put_registration(record_of(1), "192.0.2.1").ok());
  ASSERT_TRUE(store->put_registration(record_of(2), "192.0.2.1").ok());
  for (std::uint64_t batch = 0; batch < 3; ++batch) {
    std::vector<DiscoveryKey> keys;
    for (std::uint64_t i = 0; i < 1'000; ++i) keys.push_back(key_of(1 + batch * 1'000 + i));
    ASSERT_TRUE(store->change_projects(pair_of(1).public_key, adding(keys)).ok());
  }
  ASSERT_TRUE(store->change_projects(pair_of(2).public_key, adding({key_of(1), key_of(2)})).ok());
  EXPECT_EQ(store->find(pair_of(1).public_key)->projects, 3'000U);
  ASSERT_TRUE(store->deregister(pair_of(1).public_key).ok());
  auto const end = Clock::now() + std::chrono::seconds(20);
  while (server.ask({"KEYS", "holdfast:k:*"}).items.size() != 2 && Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(server.ask({"KEYS", "holdfast:k:*"}).items.size(), 2U);
  EXPECT_EQ(store->hosting_of(key_of(1))->lines.size(), 1U);
}

}  // namespace

}  // namespace holdfast::discovery
