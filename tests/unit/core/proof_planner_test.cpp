#include "core/proof_planner.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "core/commit_builder.h"
#include "support/hypercore_vectors.h"
#include "support/test_core.h"

namespace holdfast::core {
namespace {

using holdfast::testing::hypercore_vectors;
using holdfast::testing::MemoryView;
using holdfast::testing::TestCore;

TEST(LevelsToKnown, AgreesWithJavaScriptWhenOnlyRootsAreStored) {
  nlohmann::json const rows =
      hypercore_vectors("proofs.json").at("missingNodesWhenOnlyRootsAreStored");
  EXPECT_EQ(rows.size(), 47U);
  for (auto const& row : rows) {
    EXPECT_EQ(levels_to_known({}, row.at("length").get<std::uint64_t>(),
                              BlockIndex(row.at("blockIndex").get<std::uint64_t>())),
              row.at("nodes").get<std::uint64_t>());
  }
}

TEST(LevelsToKnown, StopsWhereAHeldBlocksPathPasses) {
  Bitfield held;
  held.set(6);
  EXPECT_EQ(levels_to_known(held, 16, BlockIndex(6)), 0U);
  EXPECT_EQ(levels_to_known(held, 16, BlockIndex(7)), 0U);  // Its leaf came as the sibling of 6.
  EXPECT_EQ(levels_to_known(held, 16, BlockIndex(5)), 1U);
  EXPECT_EQ(levels_to_known(held, 16, BlockIndex(0)), 2U);
  EXPECT_EQ(levels_to_known(held, 16, BlockIndex(8)), 3U);
  EXPECT_EQ(levels_to_known(held, 16, BlockIndex(16)), 0U);
}

TEST(HoldsRootsOf, OnlyWhereEveryRootIsCertain) {
  Bitfield held;
  EXPECT_TRUE(holds_roots_of(held, 16, 0));
  EXPECT_TRUE(holds_roots_of(held, 16, 16));
  EXPECT_FALSE(holds_roots_of(held, 16, 17));
  EXPECT_FALSE(holds_roots_of(held, 16, 8));
  held.set(12);
  EXPECT_TRUE(holds_roots_of(held, 16, 8));
  EXPECT_TRUE(holds_roots_of(held, 16, 12));
  EXPECT_TRUE(holds_roots_of(held, 16, 13));
  EXPECT_TRUE(holds_roots_of(held, 16, 14));
  EXPECT_FALSE(holds_roots_of(held, 16, 15));
  EXPECT_FALSE(holds_roots_of(held, 16, 4));
}

/// A sparse reader that grows, is truncated and forgets, and after each step trusts the planner.
TEST(ProofPlanner, WhatItCallsCertainIsStored) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    SeededRng rng(seed);
    TestCore writer(1);
    MemoryView reader;
    Bitfield held;
    for (int step = 0; step < 60; ++step) {
      std::uint64_t const before = writer.length();
      for (std::uint64_t i = rng.below(9); i > 0; --i) writer.append(Bytes(rng.below(5), 7));
      if (rng.below(15) == 0 && writer.length() > 0) writer.truncate(rng.below(writer.length()));
      CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
      if (writer.length() > 0 &&
          (writer.fork() > reader.head().fork || writer.length() > reader.head().length)) {
        bool const fork = writer.fork() > reader.head().fork;
        std::uint64_t const start = fork ? 0 : reader.head().length;
        // Sometimes an upgrade to an earlier length, so that the rest comes as additional nodes.
        std::uint64_t const end = start < before && !fork ? before : writer.length();
        merkle::Proof const proof = *writer.prove(
            {.upgrade = merkle::ProofRequest::Upgrade{.start = start, .length = end - start},
             .manifest = true});
        ASSERT_TRUE(builder.add(proof).ok());
      }
      Commit commit = std::move(builder).take();
      if (commit.truncate_to) held.truncate(*commit.truncate_to);
      reader.apply(std::move(commit));

      if (reader.head().fork != writer.fork())
        continue;  // Cut to nothing: there is no tree to follow yet.
      std::uint64_t const length = reader.head().length;
      for (std::uint64_t i = rng.below(4); i > 0 && length > 0; --i) {
        BlockIndex const block(rng.below(length));
        std::uint64_t const levels = levels_to_known(held, length, block);
        CommitBuilder one = *CommitBuilder::begin(writer.key(), reader);
        Result<void> const added = one.add(
            *writer.prove({.block = merkle::ProofRequest::Block{.index = block, .nodes = levels}}));
        ASSERT_TRUE(added.ok()) << to_string(added.error());
        reader.apply(std::move(one).take());
        held.set(block.value());
      }
      for (std::uint64_t smaller = 0; smaller <= length; ++smaller) {
        if (!holds_roots_of(held, length, smaller)) continue;
        for (TreeIndex const root : merkle::cover(0, smaller)) {
          ASSERT_TRUE(reader.nodes.contains(root)) << smaller << " of " << length;
        }
      }
      for (auto const& [index, node] : reader.nodes) {
        ASSERT_EQ(node, writer.view().nodes.at(index));
      }
      if (rng.below(10) == 0) {  // Forget some blocks; the tree stays.
        std::uint64_t const from = rng.below(length + 1);
        reader.apply({.core = writer.key(), .cleared = {{.start = from, .end = from + 3}}});
        held.clear_range(from, from + 3);
      }
    }
  }
}

}  // namespace
}  // namespace holdfast::core
