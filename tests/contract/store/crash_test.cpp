#include <algorithm>
#include <map>

#include "base/random.h"
#include "contract/store/store_fixture.h"
#include "support/unsynced_file_system.h"

namespace holdfast::store {
namespace {

using core::BlockRange;
using core::Commit;

constexpr std::uint64_t kReserve = 8U << 20U;

/// A store on a disk that forgets what was not synced.
class CrashTest : public testing::Test {
 protected:
  std::uint64_t reserve_bytes = kReserve;

  void open() {
    disk = std::make_unique<support::UnsyncedDisk>(directory.path() / "db");
    RocksDbStore::Options options;
    options.directory = directory.path() / "db";
    // Small, so that flushes, compactions and new logs happen all the time.
    options.memory_bytes = 1U << 20U;
    options.reserve_bytes = reserve_bytes;
    options.env = disk->env();
    options.clock_ms = [] { return std::uint64_t{1000}; };
    Result<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    store = std::move(*opened);
  }
  void crash_and_open(std::uint64_t tear_seed = 0) {
    disk->crash(tear_seed);
    store.reset();
    open();
  }
  std::uint64_t length(CoreKey const& key) {
    Result<std::optional<core::CoreRecord>> const record = store->load(key);
    EXPECT_TRUE(record.ok()) << to_string(record.error());
    return record && record->has_value() ? (*record)->head.length : 0;
  }
  /// Every part of a commit names the length it belongs to, so that a half of one cannot hide.
  void expect_whole(CoreKey const& key) {
    std::uint64_t const blocks = length(key);
    std::unique_ptr<core::CoreView> const now = std::move(*store->view(key));
    std::vector<BlockRange> const all =
        blocks == 0 ? std::vector<BlockRange>() : std::vector<BlockRange>{{0, blocks}};
    std::optional<core::CoreRecord> const record = store->load(key).value();
    if (record) {
      EXPECT_EQ(record->blocks, all);
    }
    for (std::uint64_t block = 0; block < blocks; ++block) {
      Result<std::optional<Bytes>> const value = now->block(BlockIndex(block));
      ASSERT_TRUE(value.ok()) << to_string(value.error());
      ASSERT_TRUE(value->has_value()) << "block " << block << " of " << blocks;
      ASSERT_TRUE(**value == block_value(block, 0, (*value)->size()));
      ASSERT_TRUE(now->node(TreeIndex(block * 2)).value().has_value());
    }
    EXPECT_FALSE(now->block(BlockIndex(blocks)).value().has_value());
    EXPECT_FALSE(now->node(TreeIndex(blocks * 2)).value().has_value());
  }

  support::TemporaryDirectory directory;
  std::unique_ptr<support::UnsyncedDisk> disk;
  std::unique_ptr<RocksDbStore> store;
};

TEST_F(CrashTest, TheDiskReallyForgets) {
  // Guards the other tests: a store that never syncs must lose its data here.
  open();
  std::uint64_t const before = disk->changes();
  ASSERT_TRUE(store->commit(std::vector<Commit>{append_commit(core_key(1), 0, 1)}).ok());
  EXPECT_GT(disk->changes(), before);
  disk->fail_syncs(1);
  EXPECT_FALSE(store->commit(std::vector<Commit>{append_commit(core_key(2), 0, 1)}).ok());
  crash_and_open();
  EXPECT_EQ(length(core_key(1)), 1U);
  EXPECT_EQ(length(core_key(2)), 0U);
}

TEST_F(CrashTest, WhatWasAcknowledgedIsThereAndNothingIsHalfThere) {
  SeededRng rng(3);
  std::map<CoreKey, std::uint64_t> acknowledged;
  open();
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    disk->crash_after(1 + rng.below(120), rng.below(2) == 0 ? 0 : rng.next() | 1);
    std::map<CoreKey, std::uint64_t> attempted;
    while (!disk->crashed()) {
      std::vector<Commit> group;
      std::map<CoreKey, std::uint64_t> next;
      for (std::uint64_t i = 1 + rng.below(3); i > 0; --i) {
        CoreKey const key = core_key(static_cast<Byte>(rng.below(3)));
        std::uint64_t const start = next.contains(key) ? next[key] : acknowledged[key];
        if (rng.below(10) == 0 && start > 100) {
          Commit cut;
          cut.core = key;
          next[key] = start - rng.below(100);
          cut.truncate_to = next[key];
          cut.head = core::Head{static_cast<std::uint64_t>(round), next[key], {}};
          group.push_back(cut);
          continue;
        }
        next[key] = start + 1 + rng.below(20);
        group.push_back(append_commit(key, start, next[key], rng.below(4) == 0 ? 6000 : 200));
      }
      attempted = next;
      ASSERT_TRUE(store->commit(group).ok());
      if (disk->crashed()) break;
      for (auto const& [key, end] : next) acknowledged[key] = end;
      attempted.clear();
    }
    disk->crash();
    store.reset();
    open();
    ASSERT_TRUE(store);
    bool const whole_group_arrived =
        !attempted.empty() && std::ranges::all_of(attempted, [&](auto const& one) {
          return length(one.first) == one.second;
        });
    for (auto const& [key, end] : attempted) {
      if (whole_group_arrived) acknowledged[key] = end;
    }
    for (auto const& [key, end] : acknowledged) {
      ASSERT_EQ(length(key), end);
      if (round % 10 == 0) expect_whole(key);
    }
    if (HasFatalFailure()) return;
  }
  for (auto const& entry : acknowledged) expect_whole(entry.first);
}

TEST_F(CrashTest, ACrashWhileOpeningLosesNothing) {
  open();
  ASSERT_TRUE(store->commit(std::vector<Commit>{append_commit(core_key(1), 0, 50)}).ok());
  for (std::uint64_t at = 1; at < 60; ++at) {
    SCOPED_TRACE(testing::Message() << "crash at change " << at);
    disk->crash();
    store.reset();
    disk = std::make_unique<support::UnsyncedDisk>(directory.path() / "db");
    disk->crash_after(at, at);
    RocksDbStore::Options options;
    options.directory = directory.path() / "db";
    options.reserve_bytes = kReserve;
    options.env = disk->env();
    (void)RocksDbStore::open(options);
    open();
    ASSERT_TRUE(store);
    ASSERT_EQ(length(core_key(1)), 50U);
  }
  expect_whole(core_key(1));
}

TEST_F(CrashTest, AnErasedCoreStaysErased) {
  open();
  ASSERT_TRUE(store->commit(std::vector<Commit>{append_commit(core_key(1), 0, 500)}).ok());
  ASSERT_TRUE(store->erase(core_key(1)).ok());
  crash_and_open(9);
  EXPECT_TRUE(store->list()->empty());
  ASSERT_TRUE(store->commit(std::vector<Commit>{append_commit(core_key(1), 0, 2)}).ok());
  expect_whole(core_key(1));
}

TEST_F(CrashTest, AFullDiskRefusesServesAndHeals) {
  open();
  ASSERT_TRUE(store->commit(std::vector<Commit>{append_commit(core_key(1), 0, 100)}).ok());
  SeededRng rng(5);
  std::uint64_t end = 100;
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    disk->set_space_left(kReserve + rng.below(600'000));
    std::optional<Error> refusal;
    while (!refusal) {
      std::vector<Commit> const more = {append_commit(core_key(1), end, end + 10, 3000)};
      Result<void> const done = store->commit(more);
      if (done) end += 10;
      if (!done) refusal = done.error();
    }
    EXPECT_EQ(refusal->code, ErrorCode::StorageFull) << refusal->detail;
    EXPECT_EQ(length(core_key(1)), end);
    EXPECT_TRUE(store->view(core_key(1)).value()->block(BlockIndex(end - 1)).value().has_value());
    Result<void> const still =
        store->commit(std::vector<Commit>{append_commit(core_key(1), end, end + 1, 3000)});
    if (still) ++end;
    if (round % 4 == 3) crash_and_open(rng.next() | 1);
    disk->set_space_left(~std::uint64_t{0});
    Result<void> const healed =
        store->commit(std::vector<Commit>{append_commit(core_key(1), end, end + 1)});
    ASSERT_TRUE(healed.ok()) << to_string(healed.error());
    ++end;
  }
  crash_and_open();
  EXPECT_EQ(length(core_key(1)), end);
  expect_whole(core_key(1));
}

TEST_F(CrashTest, ADiskThatFillsUpBehindOurBackLosesNothing) {
  // Others eat the reserve, so that RocksDB's own writes fail. It may then stay read-only until it
  // is opened again.
  reserve_bytes = 0;
  open();
  std::uint64_t end = 0;
  for (std::uint64_t round = 1; round <= 8; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    disk->set_space_left(round * 50'000);
    while (true) {
      std::vector<Commit> const more = {append_commit(core_key(1), end, end + 10, 3000)};
      Result<void> const done = store->commit(more);
      if (!done) break;
      end += 10;
    }
    EXPECT_EQ(length(core_key(1)), end);
    expect_whole(core_key(1));
    disk->set_space_left(~std::uint64_t{0});
    crash_and_open(round);
    // The failed commit may have reached the disk all the same, but then all of it.
    std::uint64_t const now = length(core_key(1));
    EXPECT_TRUE(now == end || now == end + 10) << now << " after " << end;
    end = now;
    expect_whole(core_key(1));
  }
}

}  // namespace
}  // namespace holdfast::store
