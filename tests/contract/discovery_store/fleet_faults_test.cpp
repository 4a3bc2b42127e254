// A master that dies under Sentinel, and slots of a Cluster that move, under load.
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

#include "discovery/store/redis_connection.h"
#include "discovery/store/redis_keys.h"
#include "redis_server.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;
using Seen = Recorder::Seen;
using std::chrono::milliseconds;

PublicKey id_of(Byte seed) { return pair_of(seed).public_key; }

StoreOptions long_options() {
  StoreOptions out;
  out.lease = Duration(60'000);
  return out;
}

bool registers_within(RecordStore& store, Byte seed, std::chrono::seconds limit) {
  auto const end = Clock::now() + limit;
  while (Clock::now() < end) {
    auto const put = store.put_registration(record_of(seed), "192.0.2.1");
    if (put && store.change_projects(id_of(seed), adding({key_of(seed)}))) return true;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return false;
}

class SentinelFaultTest : public testing::Test {
 protected:
  void SetUp() override {
    store_->watch(recorder_);
    ASSERT_TRUE(recorder_.await([](Seen const& seen) { return seen.tables == 1; }));
    ASSERT_TRUE(registers_within(*store_, 1, std::chrono::seconds(2)));
    // What a failover keeps is what the replica has got.
    fleet_.first().command({"WAIT", "1", "1000"});
  }
  void TearDown() override { store_.reset(); }

  SentinelFleet fleet_;
  Recorder recorder_;
  std::unique_ptr<RecordStore> store_ = make_redis_store(long_options(), fleet_.options());
};

TEST_F(SentinelFaultTest, AMasterThatDiesIsFollowed) {
  auto const began = Clock::now();
  fleet_.first().kill();
  ASSERT_TRUE(recorder_.await([](Seen const& seen) { return seen.lost >= 1; }));
  ASSERT_TRUE(registers_within(*store_, 2, std::chrono::seconds(20)));
  auto const took = (Clock::now() - began) / milliseconds(1);
  std::printf("writes again %lld ms after the master died\n", static_cast<long long>(took));
  ASSERT_TRUE(recorder_.await(
      [](Seen const& seen) { return seen.tables >= 2 && seen.replicators.contains(id_of(2)); }));
  EXPECT_TRUE(recorder_.seen().replicators.contains(id_of(1))) << "the replica knew";
  EXPECT_EQ(store_->hosting_of(key_of(1))->lines.size(), 1U);
  ASSERT_TRUE(store_->renew(id_of(1), {}).ok());
  EXPECT_TRUE(recorder_.await([](Seen const& seen) { return seen.renewals.contains(id_of(1)); }));
}

TEST_F(SentinelFaultTest, AMasterThatBecomesAReplicaIsLeft) {
  std::uint16_t const before = fleet_.master_port();
  // By hand, and without a stall: the old master lives on and refuses writes.
  RedisOptions const options = fleet_.options();
  auto const began = Clock::now();
  RedisResolver resolver;
  auto const deadline = Clock::now() + std::chrono::seconds(2);
  auto sentinel = RedisConnection::open(options.servers[0], resolver, 1 << 20, deadline);
  ASSERT_TRUE(sentinel.ok());
  ASSERT_TRUE((*sentinel)->call_one({"SENTINEL", "FAILOVER", "main"}, deadline).ok());
  fleet_.await_other_master(before);
  ASSERT_TRUE(registers_within(*store_, 3, std::chrono::seconds(20)));
  auto const took = (Clock::now() - began) / milliseconds(1);
  std::printf("writes again %lld ms after the failover was asked for\n",
              static_cast<long long>(took));
  ASSERT_TRUE(recorder_.await(
      [](Seen const& seen) { return seen.lost >= 1 && seen.replicators.contains(id_of(3)); }));
}

class ClusterFaultTest : public testing::Test {
 protected:
  void SetUp() override {
    store_->watch(recorder_);
    ASSERT_TRUE(recorder_.await([](Seen const& seen) { return seen.tables == 1; }));
  }
  void TearDown() override { store_.reset(); }

  ClusterFleet fleet_;
  Recorder recorder_;
  std::unique_ptr<RecordStore> store_ = make_redis_store(long_options(), fleet_.options());
};

TEST_F(ClusterFaultTest, SlotsThatMoveDuringLoadLoseAndBreakNothing) {
  ASSERT_TRUE(registers_within(*store_, 1, std::chrono::seconds(5)));
  std::atomic<bool> stopping = false;
  std::atomic<int> calls = 0;
  std::atomic<int> failures = 0;
  std::vector<std::thread> load;
  for (int worker = 0; worker < 3; ++worker) {
    load.emplace_back([&] {
      while (!stopping) {
        ++calls;
        bool const is_fine =
            store_->renew(id_of(1), {}).ok() &&
            store_->change_projects(id_of(1), adding({key_of(1), key_of(2)})).ok() &&
            store_->hosting_of(key_of(1)).ok();
        if (!is_fine) ++failures;
      }
    });
  }
  std::vector<std::uint16_t> const slots = {slot_of(ReplicatorKeys(id_of(1)).record),
                                            slot_of(hosting_key(key_of(1))), slot_of(kEpochKey)};
  for (int round = 0; round < 3; ++round) {
    for (std::uint16_t const slot : slots) {
      fleet_.move_slot(slot, (fleet_.holder_of(slot) + 1) % 3);
      int const before = calls;
      while (calls < before + 4) std::this_thread::sleep_for(milliseconds(1));
    }
  }
  stopping = true;
  for (std::thread& worker : load) worker.join();
  std::printf("%d rounds of calls, %d of them failed, while 9 slots moved\n", calls.load(),
              failures.load());
  EXPECT_GT(calls, 20);
  EXPECT_LT(failures * 20, calls) << "a move must not cost more than a moment";
  EXPECT_EQ(store_->find(id_of(1))->projects, 2U);
  EXPECT_EQ(store_->hosting_of(key_of(2))->lines.size(), 1U);
  EXPECT_EQ(store_->list(std::nullopt, 10)->size(), 1U);

  // What happens afterwards is told from where it happens now.
  ASSERT_TRUE(registers_within(*store_, 9, std::chrono::seconds(5)));
  ASSERT_TRUE(store_->change_projects(id_of(1), removing({key_of(1)})).ok());
  int const tables = recorder_.seen().tables;
  EXPECT_GE(tables, 1);
  EXPECT_TRUE(
      recorder_.await([](Seen const& seen) { return seen.replicators.contains(id_of(9)); }));
}

TEST_F(ClusterFaultTest, AnsweredCallsAreToldOfAfterASlotMoved) {
  ASSERT_TRUE(registers_within(*store_, 1, std::chrono::seconds(5)));
  std::uint16_t const slot = slot_of(hosting_key(key_of(1)));
  fleet_.move_slot(slot, (fleet_.holder_of(slot) + 1) % 3);
  ASSERT_TRUE(store_->hosting_of(key_of(1)).ok());
  ASSERT_TRUE(recorder_.await([](Seen const& seen) { return seen.tables >= 2; }))
      << "other servers hold the data: all is read again";
  std::size_t const before = recorder_.seen().hosting.count(key_of(1));
  ASSERT_TRUE(store_->change_projects(id_of(1), removing({key_of(1)})).ok());
  EXPECT_TRUE(
      recorder_.await([&](Seen const& seen) { return seen.hosting.count(key_of(1)) > before; }));
}

TEST_F(ClusterFaultTest, AMasterThatStallsHoldsUpItsOwnRenewalsOnly) {
  auto const holder = [&](PublicKey const& id) {
    return fleet_.holder_of(slot_of(ReplicatorKeys(id).record));
  };
  std::vector<Renewal> renewals;
  for (Byte seed = 1; seed <= 12; ++seed) {
    ASSERT_TRUE(registers_within(*store_, seed, std::chrono::seconds(5)));
    renewals.push_back({id_of(seed), {}, std::nullopt});
  }
  std::size_t const stalled = holder(id_of(1));
  fleet_.node(stalled).send_signal(SIGSTOP);
  auto const results = store_->renew_all(renewals);
  fleet_.node(stalled).send_signal(SIGCONT);
  std::size_t renewed = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    bool const is_held_up = holder(renewals[i].id) == stalled;
    EXPECT_EQ(results[i].ok(), !is_held_up) << i;
    renewed += results[i].ok() ? 1U : 0U;
  }
  EXPECT_GT(renewed, 0U) << "no id of this test is elsewhere";
}

TEST_F(ClusterFaultTest, AnIndexThatWasLostIsBackAfterARenewal) {
  ASSERT_TRUE(registers_within(*store_, 1, std::chrono::seconds(5)));
  fleet_.node(fleet_.holder_of(slot_of(kIdsKey))).command({"DEL", kIdsKey, kEpochKey, kSecretKey});
  EXPECT_TRUE(store_->list(std::nullopt, 10)->empty());
  ASSERT_TRUE(store_->renew(id_of(1), {}).ok());
  EXPECT_EQ(store_->list(std::nullopt, 10)->size(), 1U);
}

TEST_F(ClusterFaultTest, OneMasterThatLosesItsDataMeansRecovering) {
  ASSERT_TRUE(registers_within(*store_, 1, std::chrono::seconds(5)));
  fleet_.node(fleet_.holder_of(slot_of(hosting_key(key_of(1))))).command("FLUSHALL");
  ASSERT_TRUE(recorder_.await([](Seen const& seen) { return seen.lost == 1; }));
  EXPECT_TRUE(store_->hosting_of(key_of(1))->recovering);
}

}  // namespace

}  // namespace holdfast::discovery
