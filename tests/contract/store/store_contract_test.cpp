#include <algorithm>
#include <map>
#include <set>

#include "base/random.h"
#include "contract/store/store_fixture.h"
#include "store/tree_span.h"

namespace holdfast::store {
namespace {

using core::BlockRange;
using core::Commit;
using core::Head;

CoreKey const kCore = core_key(1);
CoreKey const kOther = core_key(2);

TEST_P(StoreTest, AnUnknownCoreHasNoRecordAndAnEmptyView) {
  EXPECT_FALSE(load(kCore).has_value());
  EXPECT_EQ(view(kCore)->head(), Head());
  EXPECT_TRUE(view(kCore)->manifest().empty());
  EXPECT_FALSE(block(kCore, 0).has_value());
  EXPECT_FALSE(has_node(kCore, 0));
}

TEST_P(StoreTest, ACommitIsThereAtOnceAndAfterReopening) {
  Commit first = append_commit(kCore, 0, 3);
  first.manifest = Bytes{1, 2, 3};
  commit(first);
  for (int round = 0; round < 2; ++round, reopen()) {
    std::optional<core::CoreRecord> const record = load(kCore);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record->key, kCore);
    EXPECT_EQ(record->head, (Head{0, 3, Bytes(64, 7)}));
    EXPECT_EQ(record->manifest, (Bytes{1, 2, 3}));
    EXPECT_EQ(record->blocks, (std::vector<BlockRange>{{0, 3}}));
    EXPECT_EQ(view(kCore)->manifest(), (Bytes{1, 2, 3}));
    EXPECT_EQ(view(kCore)->head(), record->head);
    EXPECT_EQ(block(kCore, 2), block_value(2));
    EXPECT_EQ(view(kCore)->node(TreeIndex(4)).value(), tree_node(4));
  }
}

TEST_P(StoreTest, WhatACommitDoesNotNameStaysAsItWas) {
  Commit first = append_commit(kCore, 0, 3);
  first.manifest = Bytes{9};
  commit(first);
  Commit sparse;
  sparse.core = kCore;
  sparse.blocks.push_back({BlockIndex(7), block_value(7)});
  commit(sparse);
  std::optional<core::CoreRecord> const record = load(kCore);
  EXPECT_EQ(record->head.length, 3U);
  EXPECT_EQ(record->manifest, Bytes{9});
  EXPECT_EQ(record->blocks, (std::vector<BlockRange>{{0, 3}, {7, 8}}));
}

TEST_P(StoreTest, ABlockCanBeEmptyAndStillBeHeld) {
  Commit empty;
  empty.core = kCore;
  empty.blocks.push_back({BlockIndex(0), {}});
  commit(empty);
  EXPECT_EQ(block(kCore, 0), Bytes());
  EXPECT_EQ(load(kCore)->blocks, (std::vector<BlockRange>{{0, 1}}));
}

TEST_P(StoreTest, BlocksOfEverySizeComeBackByteForByte) {
  std::vector<std::size_t> const sizes = {0, 1, 4095, 4096, 4097, 65536, 1U << 20U};
  Commit large;
  large.core = kCore;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    large.blocks.push_back({BlockIndex(i), block_value(i, 0, sizes[i])});
  }
  commit(large);
  reopen();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_TRUE(block(kCore, i) == block_value(i, 0, sizes[i])) << sizes[i] << " bytes";
  }
}

TEST_P(StoreTest, MembersApplyInTheirOrder) {
  commit(append_commit(kCore, 0, 8));
  Commit all = append_commit(kCore, 4, 6);
  all.truncate_to = 4;     // First: old 4 to 7 go.
  all.head->fork = 1;      // Then the new head,
  all.cleared = {{5, 6}};  // and last, block 5 of this very commit is forgotten.
  commit(all);
  EXPECT_EQ(load(kCore)->head.fork, 1U);
  EXPECT_EQ(load(kCore)->blocks, (std::vector<BlockRange>{{0, 5}}));
  EXPECT_TRUE(block(kCore, 4).has_value());
  EXPECT_FALSE(block(kCore, 5).has_value());
  EXPECT_FALSE(block(kCore, 6).has_value());
  EXPECT_TRUE(has_node(kCore, 10));
  EXPECT_FALSE(has_node(kCore, 12));
}

TEST_P(StoreTest, TruncationTakesExactlyTheNodesThatSpanPastIt) {
  for (std::uint64_t length = 0; length <= 8; ++length) {
    CoreKey const key = core_key(static_cast<Byte>(10 + length));
    Commit tree;
    tree.core = key;
    for (std::uint64_t index = 0; index < 15; ++index) tree.nodes.push_back(tree_node(index));
    commit(tree);
    Commit cut;
    cut.core = key;
    cut.truncate_to = length;
    commit(cut);
    // By hand: the last block under each node of a tree over eight blocks.
    std::vector<std::uint64_t> const last = {0, 1, 1, 3, 2, 3, 3, 7, 4, 5, 5, 7, 6, 7, 7};
    for (std::uint64_t index = 0; index < 15; ++index) {
      EXPECT_EQ(has_node(key, index), last[index] < length)
          << "length " << length << " node " << index;
    }
  }
}

TEST_P(StoreTest, ClearingForgetsBlocksButNotTree) {
  commit(append_commit(kCore, 0, 600));
  Commit clear;
  clear.core = kCore;
  clear.cleared = {{1, 2}, {10, 10}, {20, 500}, {599, 10'000}};
  commit(clear);
  EXPECT_EQ(load(kCore)->blocks, (std::vector<BlockRange>{{0, 1}, {2, 20}, {500, 599}}));
  EXPECT_EQ(load(kCore)->head.length, 600U);
  EXPECT_FALSE(block(kCore, 20).has_value());
  EXPECT_FALSE(block(kCore, 499).has_value());
  EXPECT_TRUE(block(kCore, 500).has_value());
  EXPECT_TRUE(has_node(kCore, 40));
}

TEST_P(StoreTest, RangesMergeAcrossPagesOfBits) {
  Commit scattered;
  scattered.core = kCore;
  for (std::uint64_t const block : {4095ULL, 4096ULL, 8191ULL, 8193ULL, 1ULL << 40U}) {
    scattered.blocks.push_back({BlockIndex(block), {1}});
  }
  commit(scattered);
  reopen();
  EXPECT_EQ(load(kCore)->blocks,
            (std::vector<BlockRange>{
                {4095, 4097}, {8191, 8192}, {8193, 8194}, {1ULL << 40U, (1ULL << 40U) + 1}}));
}

TEST_P(StoreTest, LaterCommitsOfOneCallSeeEarlierOnes) {
  Commit cut;
  cut.core = kCore;
  cut.truncate_to = 2;
  cut.head = Head{1, 2, {}};
  Commit again = append_commit(kCore, 2, 3);
  again.head->fork = 1;
  commit({append_commit(kCore, 0, 9000), cut, again});
  EXPECT_EQ(load(kCore)->blocks, (std::vector<BlockRange>{{0, 3}}));
  EXPECT_EQ(load(kCore)->head.length, 3U);
  EXPECT_FALSE(block(kCore, 3).has_value());
  EXPECT_FALSE(has_node(kCore, 6));
}

TEST_P(StoreTest, AViewDoesNotSeeLaterCommits) {
  commit(append_commit(kCore, 0, 4));
  std::unique_ptr<core::CoreView> const before = view(kCore);
  std::unique_ptr<core::CoreView> const of_nothing = view(kOther);
  Commit change = append_commit(kCore, 2, 6);
  change.truncate_to = 1;
  change.blocks[0].value = {42};
  commit({change, append_commit(kOther, 0, 1)});
  ASSERT_TRUE(store->erase(kCore).ok());
  EXPECT_EQ(before->head().length, 4U);
  EXPECT_EQ(before->block(BlockIndex(1)).value(), block_value(1));
  EXPECT_EQ(before->block(BlockIndex(2)).value(), block_value(2));
  EXPECT_FALSE(before->block(BlockIndex(5)).value().has_value());
  EXPECT_TRUE(before->node(TreeIndex(6)).value().has_value());
  EXPECT_FALSE(before->node(TreeIndex(8)).value().has_value());
  EXPECT_FALSE(of_nothing->block(BlockIndex(0)).value().has_value());
  EXPECT_EQ(of_nothing->head(), Head());
}

TEST_P(StoreTest, AViewOutlivesItsStore) {
  commit(append_commit(kCore, 0, 1));
  std::unique_ptr<core::CoreView> const last = view(kCore);
  store.reset();
  EXPECT_EQ(last->block(BlockIndex(0)).value(), block_value(0));
}

TEST_P(StoreTest, CoresDoNotTouchEachOther) {
  std::vector<Commit> commits;
  for (int i = 0; i < 200; ++i) {
    auto const name = static_cast<Byte>(i);
    commits.push_back(append_commit(core_key(name), 0, static_cast<std::uint64_t>(i % 7 + 1)));
  }
  commit(commits);
  ASSERT_TRUE(store->erase(core_key(100)).ok());
  reopen();
  Result<std::vector<CoreKey>> const keys = store->list();
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(keys->size(), 199U);
  EXPECT_TRUE(std::is_sorted(keys->begin(), keys->end()));
  for (CoreKey const& key : *keys) {
    std::uint64_t const length = key.bytes[0] % 7U + 1;
    EXPECT_EQ(load(key)->blocks, (std::vector<BlockRange>{{0, length}}));
  }
}

TEST_P(StoreTest, AnErasedCoreIsGoneAndCanComeBackEmpty) {
  Commit full = append_commit(kCore, 0, 5000);
  full.manifest = Bytes{1};
  commit(full);
  ASSERT_TRUE(store->erase(kCore).ok());
  ASSERT_TRUE(store->erase(kCore).ok()) << "twice";
  reopen();
  EXPECT_FALSE(load(kCore).has_value());
  EXPECT_FALSE(block(kCore, 0).has_value());
  EXPECT_TRUE(store->list()->empty());
  commit(append_commit(kCore, 5, 6));
  EXPECT_EQ(load(kCore)->blocks, (std::vector<BlockRange>{{5, 6}}));
  EXPECT_TRUE(load(kCore)->manifest.empty());
  EXPECT_FALSE(has_node(kCore, 0));
}

TEST_P(StoreTest, MetaValuesAreKeptListedAndErased) {
  for (char const* name : {"project/b", "project/a", "seq", "project", "\xff\xff"}) {
    ASSERT_TRUE(store->put_meta(name, as_bytes(name)).ok());
  }
  ASSERT_TRUE(store->put_meta("seq", as_bytes("2")).ok());
  ASSERT_TRUE(store->put_meta("empty", {}).ok());
  reopen();
  EXPECT_EQ(store->get_meta("seq").value(), to_bytes(as_bytes("2")));
  EXPECT_EQ(store->get_meta("empty").value(), Bytes());
  EXPECT_EQ(store->get_meta("nothing").value(), std::nullopt);
  EXPECT_EQ(store->list_meta("project/").value(),
            (std::vector<std::string>{"project/a", "project/b"}));
  EXPECT_EQ(store->list_meta("").value().size(), 6U);
  ASSERT_TRUE(store->erase_meta("project/a").ok());
  ASSERT_TRUE(store->erase_meta("project/a").ok()) << "twice";
  EXPECT_EQ(store->list_meta("project/").value(), (std::vector<std::string>{"project/b"}));
  EXPECT_TRUE(store->list()->empty()) << "meta values are no cores";
}

TEST_P(StoreTest, OverBudgetNothingIsTakenAndReadingGoesOn) {
  store.reset();
  open(1U << 20U);
  commit(append_commit(kCore, 0, 4));
  std::vector<Commit> const both = {append_commit(kCore, 4, 5),
                                    append_commit(kOther, 0, 16, 100'000)};
  Result<void> const refused = store->commit(both);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::StorageFull);
  EXPECT_EQ(load(kCore)->head.length, 4U);
  EXPECT_FALSE(load(kOther).has_value());
  EXPECT_EQ(block(kCore, 3), block_value(3));
  commit(append_commit(kCore, 4, 5));
}

TEST_P(StoreTest, RandomCommitsAgreeWithANaiveModel) {
  struct Model {
    Head head;
    std::map<std::uint64_t, Bytes> blocks;
    std::set<std::uint64_t> nodes;
  };
  std::map<CoreKey, Model> model;
  SeededRng rng(7);
  for (std::uint64_t round = 0; round < 150; ++round) {
    std::vector<Commit> commits(1 + rng.below(4));
    for (Commit& one : commits) {
      one.core = core_key(static_cast<Byte>(rng.below(3)));
      Model& expected = model[one.core];
      if (rng.below(4) == 0) {
        std::uint64_t const length = rng.below(10'000);
        one.truncate_to = length;
        std::erase_if(expected.blocks, [&](auto const& entry) { return entry.first >= length; });
        std::erase_if(expected.nodes,
                      [&](std::uint64_t node) { return spans_past(TreeIndex(node), length); });
      }
      if (rng.below(2) == 0) {
        one.head = Head{round, rng.below(10'000), Bytes(rng.below(3), 5)};
        expected.head = *one.head;
      }
      for (std::uint64_t i = rng.below(30); i > 0; --i) {
        std::uint64_t const index = rng.below(10'000);
        one.blocks.push_back({BlockIndex(index), block_value(index, round)});
        expected.blocks[index] = block_value(index, round);
        one.nodes.push_back(tree_node(rng.below(20'000)));
        expected.nodes.insert(one.nodes.back().index.value());
      }
      if (rng.below(3) == 0) {
        std::uint64_t const start = rng.below(10'000);
        std::uint64_t const end = start + rng.below(rng.below(2) == 0 ? 5'000 : 50);
        one.cleared.push_back({start, end});
        std::erase_if(expected.blocks,
                      [&](auto const& entry) { return entry.first >= start && entry.first < end; });
      }
    }
    commit(commits);
    if (rng.below(20) == 0) reopen();
    if (round % 10 != 0) continue;
    for (auto& [key, expected] : model) {
      std::optional<core::CoreRecord> const record = load(key);
      ASSERT_EQ(record->head, expected.head);
      std::vector<std::uint64_t> held;
      for (BlockRange const& range : record->blocks) {
        for (std::uint64_t block = range.start; block < range.end; ++block) held.push_back(block);
      }
      std::unique_ptr<core::CoreView> const now = view(key);
      ASSERT_EQ(held.size(), expected.blocks.size()) << "round " << round;
      for (std::uint64_t const index : held) {
        ASSERT_EQ(now->block(BlockIndex(index)).value(), expected.blocks[index]);
      }
      for (std::uint64_t index = 0; index < 20'000; index += 1 + rng.below(5)) {
        ASSERT_EQ(now->node(TreeIndex(index)).value().has_value(), expected.nodes.contains(index));
        if (index >= 10'000) continue;
        ASSERT_EQ(now->block(BlockIndex(index)).value().has_value(),
                  expected.blocks.contains(index));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreTest, testing::Values(Kind::Memory, Kind::RocksDb),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace holdfast::store
