#pragma once

#include <memory>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "store/memory_store.h"
#include "store/rocksdb_store.h"
#include "support/temporary_directory.h"

namespace holdfast::store {

enum class Kind { Memory, RocksDb };
inline void PrintTo(Kind kind, std::ostream* out) {
  *out << (kind == Kind::Memory ? "Memory" : "RocksDb");
}

inline CoreKey core_key(Byte name) {
  CoreKey key;
  key.bytes.fill(name);
  return key;
}

inline merkle::Node tree_node(std::uint64_t index, Byte content = 1) {
  merkle::Node node{TreeIndex(index), index + 1, {}};
  node.hash.bytes.fill(content);
  return node;
}

/// `bytes` bytes that tell which block of which writing they are.
inline Bytes block_value(std::uint64_t index, std::uint64_t version = 0, std::size_t bytes = 20) {
  Bytes value = to_bytes(as_bytes(std::to_string(index) + "/" + std::to_string(version) + "."));
  value.resize(bytes, static_cast<Byte>(index * 31 + version));
  return value;
}

/// Blocks [start, end) with their leaves and a head of length `end`.
inline core::Commit append_commit(CoreKey const& key, std::uint64_t start, std::uint64_t end,
                                  std::size_t block_bytes = 20) {
  core::Commit commit;
  commit.core = key;
  commit.head = core::Head{0, end, Bytes(64, 7)};
  for (std::uint64_t block = start; block < end; ++block) {
    commit.nodes.push_back(tree_node(block * 2));
    commit.blocks.push_back({BlockIndex(block), block_value(block, 0, block_bytes)});
  }
  return commit;
}

/// The store under test, in a directory of its own if it has one.
class StoreTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { open(); }

  void open(std::uint64_t budget_bytes = 0) {
    if (GetParam() == Kind::Memory) {
      store = std::make_unique<MemoryStore>(MemoryStore::Options{.budget_bytes = budget_bytes});
      return;
    }
    RocksDbStore::Options options;
    options.directory = directory.path() / "db";
    options.memory_bytes = 4U << 20U;
    options.budget_bytes = budget_bytes;
    Result<std::unique_ptr<RocksDbStore>> opened = RocksDbStore::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    store = std::move(*opened);
  }
  /// Forgetting is all that a memory store can do here, so it is left as it is.
  void reopen() {
    if (GetParam() == Kind::Memory) return;
    store.reset();
    open();
  }

  void commit(core::Commit const& one) { commit(std::vector<core::Commit>{one}); }
  void commit(std::vector<core::Commit> const& all) {
    Result<void> const done = store->commit(all);
    ASSERT_TRUE(done.ok()) << to_string(done.error());
  }
  std::optional<core::CoreRecord> load(CoreKey const& key) {
    Result<std::optional<core::CoreRecord>> record = store->load(key);
    EXPECT_TRUE(record.ok()) << (record ? "" : to_string(record.error()));
    return record ? *record : std::nullopt;
  }
  std::unique_ptr<core::CoreView> view(CoreKey const& key) {
    Result<std::unique_ptr<core::CoreView>> opened = store->view(key);
    EXPECT_TRUE(opened.ok());
    return opened ? std::move(*opened) : nullptr;
  }
  std::optional<Bytes> block(CoreKey const& key, std::uint64_t index) {
    return view(key)->block(BlockIndex(index)).value();
  }
  bool has_node(CoreKey const& key, std::uint64_t index) {
    return view(key)->node(TreeIndex(index)).value().has_value();
  }

  support::TemporaryDirectory directory;
  std::unique_ptr<core::Store> store;
};

}  // namespace holdfast::store
