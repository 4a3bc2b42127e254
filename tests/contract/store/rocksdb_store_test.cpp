#include "store/rocksdb_store.h"

#include <fstream>
#include <thread>

#include "contract/store/store_fixture.h"

namespace holdfast::store {
namespace {

using core::Commit;
using core::Head;

/// What RocksDbStore promises beyond core::Store.
class RocksDbStoreTest : public testing::Test {
 protected:
  RocksDbStore::Options options() {
    RocksDbStore::Options options;
    options.directory = directory.path() / "db";
    options.memory_bytes = 4U << 20U;
    options.clock_ms = [this] { return now_ms; };
    return options;
  }
  void open(RocksDbStore::Options const& with) {
    store.reset();
    Result<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::open(with);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    store = std::move(*opened);
  }
  void open() { open(options()); }
  Result<void> commit(Commit const& one) { return store->commit({&one, 1}); }
  void cut(CoreKey const& key, std::uint64_t length, std::uint64_t fork) {
    Commit one;
    one.core = key;
    one.truncate_to = length;
    one.head = Head{fork, length, {}};
    ASSERT_TRUE(commit(one).ok());
  }
  std::string refusal() {
    Result<std::unique_ptr<RocksDbStore>> const opened = RocksDbStore::open(options());
    EXPECT_FALSE(opened.ok());
    return opened ? "" : to_string(opened.error());
  }

  std::uint64_t now_ms = 1000;
  support::TemporaryDirectory directory;
  std::unique_ptr<RocksDbStore> store;
};

TEST_F(RocksDbStoreTest, WhatAForkCutsOffIsKeptUntilItIsPurged) {
  open();
  ASSERT_TRUE(commit(append_commit(core_key(1), 0, 100)).ok());
  cut(core_key(1), 10, 1);
  now_ms = 2000;
  cut(core_key(1), 5, 2);
  EXPECT_EQ(store->retired_count().value(), 2U);
  open();
  EXPECT_EQ(store->retired_count().value(), 2U) << "after a restart";
  EXPECT_EQ(store->purge_retired(1000).value(), 0U);
  EXPECT_EQ(store->purge_retired(2000).value(), 1U);
  EXPECT_EQ(store->retired_count().value(), 1U);
  EXPECT_EQ(store->purge_retired(2001).value(), 1U);
  EXPECT_EQ(store->load(core_key(1)).value()->head.length, 5U) << "the core itself is untouched";
}

TEST_F(RocksDbStoreTest, ACutLargerThanTheWriteBuffersIsMovedInPieces) {
  open();
  for (std::uint64_t start = 0; start < 4000; start += 500) {
    ASSERT_TRUE(commit(append_commit(core_key(1), start, start + 500, 3000)).ok());
  }
  cut(core_key(1), 0, 1);
  EXPECT_EQ(store->retired_count().value(), 1U);
  ASSERT_TRUE(store->compact().ok());
  EXPECT_GT(store->used_bytes(), 4000U * 3000U) << "it still takes its space";
  EXPECT_EQ(store->purge_retired(5000).value(), 1U);
  ASSERT_TRUE(store->compact().ok());
  EXPECT_LT(store->used_bytes(), 1U << 20U) << "and gives it back";
}

TEST_F(RocksDbStoreTest, ABudgetRecoversByItselfWhenDataIsErased) {
  RocksDbStore::Options with = options();
  with.budget_bytes = 12U << 20U;
  open(with);
  EXPECT_FALSE(store->is_full());
  std::uint64_t end = 0;
  while (true) {
    Result<void> const done = commit(append_commit(core_key(1), end, end + 100, 10'000));
    if (!done) {
      EXPECT_EQ(done.error().code, ErrorCode::StorageFull);
      break;
    }
    end += 100;
  }
  EXPECT_GE(end, 600U);
  EXPECT_TRUE(store->is_full());
  ASSERT_TRUE(store->erase(core_key(1)).ok()) << "deleting needs no budget";
  bool taken = false;
  // The space comes back when a background compaction has finished: wait for that, not for a time.
  for (int tries = 0; tries < 2000 && !taken; ++tries) {
    taken = commit(append_commit(core_key(2), 0, 100, 10'000)).ok();
    if (!taken) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(taken);
  EXPECT_FALSE(store->is_full());
}

TEST_F(RocksDbStoreTest, ADirectoryIsOpenedOnlyOnce) {
  open();
  std::string const words = refusal();
  EXPECT_NE(words.find("in use"), std::string::npos) << words;
  EXPECT_NE(words.find(directory.path().string()), std::string::npos) << words;
  EXPECT_NE(words.find("conflict"), std::string::npos) << words;
}

TEST_F(RocksDbStoreTest, ADamagedDirectoryIsRefusedWithItsName) {
  open();
  store.reset();
  std::ofstream(directory.path() / "db" / "CURRENT") << "nonsense";
  std::string const words = refusal();
  EXPECT_NE(words.find(directory.path().string()), std::string::npos) << words;
  EXPECT_NE(words.find("storage failure"), std::string::npos) << words;
}

TEST_F(RocksDbStoreTest, AFileInPlaceOfTheDirectoryIsRefused) {
  std::ofstream(directory.path() / "db") << "a file";
  EXPECT_NE(refusal().find("cannot be made"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::store
