#include "core/commit_builder.h"

#include <gtest/gtest.h>

#include "support/hypercore_vectors.h"
#include "support/test_core.h"

namespace holdfast::core {
namespace {

using holdfast::testing::MemoryView;
using holdfast::testing::TestCore;
using merkle::Proof;
using merkle::ProofRequest;

ProofRequest::Upgrade upgrade(std::uint64_t start, std::uint64_t length) {
  return {.start = start, .length = length};
}
ProofRequest::Block block(std::uint64_t index, std::uint64_t nodes) {
  return {.index = BlockIndex(index), .nodes = nodes};
}

/// A writer with 20 blocks, and a reader that starts with nothing.
class CommitBuilderTest : public ::testing::Test {
 protected:
  CommitBuilderTest() {
    for (std::uint64_t i = 0; i < 20; ++i) writer.append(Bytes(i % 5, static_cast<Byte>(i)));
  }

  CommitBuilder begin() const { return *CommitBuilder::begin(writer.key(), reader); }

  /// Verifies and applies.
  Result<void> take(Proof proof) {
    CommitBuilder builder = begin();
    Result<void> added = builder.add(std::move(proof));
    reader.apply(std::move(builder).take());
    return added;
  }
  Result<void> take(ProofRequest const& request) { return take(*writer.prove(request)); }
  void follow() {
    ASSERT_TRUE(
        take({.upgrade = upgrade(reader.head().length, writer.length() - reader.head().length),
              .manifest = true})
            .ok());
  }

  static ErrorCode code_of(Result<void> const& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? ErrorCode::Unavailable : result.error().code;
  }
  /// The builder's state does not change when a proof is refused.
  ErrorCode refusal(Proof proof) {
    CommitBuilder builder = begin();
    ErrorCode const code = code_of(builder.add(std::move(proof)));
    EXPECT_EQ(builder.head(), reader.head());
    EXPECT_TRUE(std::move(builder).take().empty());
    return code;
  }
  void expect_nodes_as_written() const {
    for (auto const& [index, node] : reader.nodes) {
      ASSERT_TRUE(writer.view().nodes.contains(index));
      ASSERT_EQ(node, writer.view().nodes.at(index));
    }
  }

  TestCore writer{1};
  MemoryView reader;
};

TEST_F(CommitBuilderTest, UpgradeWithManifestSetsTheHead) {
  ASSERT_TRUE(take({.upgrade = upgrade(0, 20), .manifest = true}).ok());
  EXPECT_EQ(reader.head(), writer.view().head());
  EXPECT_EQ(reader.manifest(), writer.manifest());
  EXPECT_EQ(reader.nodes.size(), 2U);
}

TEST_F(CommitBuilderTest, UpgradeWithoutAManifestIsJudgedAsCompat) {
  EXPECT_EQ(refusal(*writer.prove({.upgrade = upgrade(0, 20)})), ErrorCode::BadSignature);

  TestCore compat(2, TestCore::Kind::Compat);
  compat.append(Bytes(3, 3));
  CommitBuilder builder = *CommitBuilder::begin(compat.key(), reader);
  ASSERT_TRUE(builder.add(*compat.prove({.upgrade = upgrade(0, 1)})).ok());
  EXPECT_FALSE(builder.has_manifest());
  Commit const commit = std::move(builder).take();
  EXPECT_FALSE(commit.manifest.has_value());
  EXPECT_EQ(commit.head, compat.view().head());
}

TEST_F(CommitBuilderTest, ManifestAloneIsTakenOnce) {
  Proof proof{.fork = 0, .manifest = writer.manifest()};
  CommitBuilder builder = begin();
  ASSERT_TRUE(builder.add(proof).ok());
  EXPECT_TRUE(builder.has_manifest());
  Commit commit = std::move(builder).take();
  EXPECT_EQ(commit.manifest, writer.manifest());
  reader.apply(std::move(commit));
  CommitBuilder again = begin();
  ASSERT_TRUE(again.add(proof).ok());
  EXPECT_TRUE(std::move(again).take().empty());
}

TEST_F(CommitBuilderTest, RefusesManifestsOfOthersAndGarbage) {
  Proof proof{.fork = 0, .manifest = TestCore(9).manifest()};
  EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
  proof.manifest = Bytes{1, 2, 3};
  EXPECT_EQ(refusal(proof), ErrorCode::Malformed);
}

TEST_F(CommitBuilderTest, BlockOnKnownRootsIsTakenWithItsPath) {
  follow();
  ASSERT_TRUE(take({.block = block(17, 2)}).ok());
  EXPECT_EQ(reader.blocks.at(BlockIndex(17)), writer.view().blocks.at(BlockIndex(17)));
  expect_nodes_as_written();
  EXPECT_EQ(reader.nodes.size(), 2U + 4U);  // Roots; 34, 32, 33 and 37.
}

TEST_F(CommitBuilderTest, ChangedBlockIsABadProof) {
  follow();
  Proof proof = *writer.prove({.block = block(17, 2)});
  proof.block->value[0] ^= 1;
  EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
}

TEST_F(CommitBuilderTest, PathThatReachesNothingKnownIsAConflict) {
  follow();
  EXPECT_EQ(refusal(*writer.prove({.block = block(17, 1)})), ErrorCode::Conflict);
  EXPECT_EQ(refusal(*writer.prove({.block = block(3, 3)})), ErrorCode::Conflict);
}

TEST_F(CommitBuilderTest, ClimbEndsAtTheFirstKnownNodeWhateverIsAboveIt) {
  follow();
  ASSERT_TRUE(take({.block = block(6, 4)}).ok());
  Proof proof = *writer.prove({.block = block(5, 4)});
  ASSERT_EQ(proof.block->nodes.size(), 4U);
  proof.block->nodes[2].hash.bytes[0] ^= 1;  // Above node 11, which is known since block 6.
  std::size_t const before = reader.nodes.size();
  ASSERT_TRUE(take(proof).ok());
  EXPECT_EQ(reader.nodes.size(), before + 2);  // The leaf and its sibling.
  expect_nodes_as_written();
}

TEST_F(CommitBuilderTest, LaterProofsSeeWhatEarlierOnesAdded) {
  CommitBuilder builder = begin();
  ASSERT_TRUE(builder.add(*writer.prove({.upgrade = upgrade(0, 20), .manifest = true})).ok());
  ASSERT_TRUE(builder.add(*writer.prove({.block = block(6, 4)})).ok());
  ASSERT_TRUE(builder.add(*writer.prove({.block = block(7, 0)})).ok());
  ASSERT_TRUE(builder.add(*writer.prove({.block = block(7, 0)})).ok());
  Commit const commit = std::move(builder).take();
  EXPECT_EQ(commit.blocks.size(), 2U);
  EXPECT_EQ(reader.reads, 0U);
}

TEST_F(CommitBuilderTest, OneReadOfTheViewSettlesAnExactPath) {
  follow();
  ASSERT_TRUE(take({.block = block(6, 4)}).ok());
  CommitBuilder builder = begin();
  std::uint64_t const before = reader.reads;
  ASSERT_TRUE(builder.add(*writer.prove({.block = block(5, 1)})).ok());
  EXPECT_EQ(reader.reads, before + 1);
}

TEST_F(CommitBuilderTest, BlockInsideTheUpgradeReplacesASubtree) {
  follow();
  for (std::uint64_t i = 0; i < 7; ++i) writer.append(Bytes(i, 1));
  ASSERT_TRUE(take({.block = block(23, 0), .upgrade = upgrade(20, 7)}).ok());
  EXPECT_EQ(reader.head(), writer.view().head());
  EXPECT_TRUE(reader.blocks.contains(BlockIndex(23)));
  expect_nodes_as_written();
}

TEST_F(CommitBuilderTest, BlockBelowTheUpgradeIsTakenWithIt) {
  follow();
  writer.append(Bytes(4, 1));
  ASSERT_TRUE(take({.block = block(2, 4), .upgrade = upgrade(20, 1)}).ok());
  EXPECT_EQ(reader.head().length, 21U);
  EXPECT_TRUE(reader.blocks.contains(BlockIndex(2)));
}

TEST_F(CommitBuilderTest, BadBlockSpoilsTheUpgradeItCameWith) {
  follow();
  writer.append(Bytes(4, 1));
  Proof proof = *writer.prove({.block = block(2, 4), .upgrade = upgrade(20, 1)});
  proof.block->value.push_back(0);
  EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
}

TEST_F(CommitBuilderTest, UpgradeFromAnotherLengthIsAConflict) {
  follow();
  writer.append(Bytes(4, 1));
  writer.append(Bytes(4, 1));
  EXPECT_EQ(refusal(*writer.prove({.upgrade = upgrade(0, 22)})), ErrorCode::Conflict);
  EXPECT_EQ(refusal(*writer.prove({.upgrade = upgrade(21, 1)})), ErrorCode::Conflict);
}

TEST_F(CommitBuilderTest, UpgradeWithTooFewOrTooManyNodesIsABadProof) {
  Proof const good = *writer.prove({.upgrade = upgrade(0, 13), .manifest = true});
  Proof proof = good;
  proof.upgrade->nodes.pop_back();
  EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
  proof = good;
  proof.upgrade->nodes.push_back(proof.upgrade->additional_nodes[0]);
  EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
  proof = good;
  proof.upgrade->additional_nodes.erase(proof.upgrade->additional_nodes.begin());
  EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
  proof = good;
  proof.upgrade->additional_nodes.pop_back();
  EXPECT_EQ(refusal(proof), ErrorCode::BadSignature);
}

TEST_F(CommitBuilderTest, NumbersFromAnotherWorldAreRefused) {
  follow();
  std::uint64_t const huge = ~std::uint64_t{0};
  for (std::uint64_t const index : {huge, huge / 2 + 1, merkle::kLengthMax}) {
    Proof proof{.fork = 0, .block = Proof::Block{.index = BlockIndex(index)}};
    EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
    Proof hash{.fork = 0, .hash = Proof::HashNode{.index = TreeIndex(huge - index), .nodes = {}}};
    EXPECT_EQ(refusal(hash), ErrorCode::BadProof);
    hash.hash = Proof::HashNode{.index = TreeIndex(huge),
                                .nodes = {{.index = TreeIndex(huge), .size = 0, .hash = {}}}};
    EXPECT_EQ(refusal(hash), ErrorCode::BadProof);
  }
  for (auto const& [start, length] : {std::pair{huge, huge}, std::pair{std::uint64_t{20}, huge},
                                      std::pair{std::uint64_t{20}, std::uint64_t{0}}}) {
    Proof proof{.fork = 0, .upgrade = Proof::Upgrade{.start = start, .length = length}};
    EXPECT_EQ(refusal(proof), ErrorCode::BadProof);
  }
  Proof oversized = *writer.prove({.block = block(17, 2)});
  oversized.block->nodes[0].size = huge;
  EXPECT_EQ(refusal(oversized), ErrorCode::BadProof);
}

TEST_F(CommitBuilderTest, SeekIsRefusedBecauseItIsNeverAskedFor) {
  EXPECT_EQ(refusal({.fork = 0, .seek = Proof::Seek{.bytes = 4, .nodes = {}}}),
            ErrorCode::BadProof);
}

TEST_F(CommitBuilderTest, HashProofCommitsWhatItBinds) {
  follow();
  // Node 8 and its sibling 10 are claimed by the proof alone: only the sum of their sizes is certain.
  ASSERT_TRUE(take({.hash = ProofRequest::HashNode{.index = TreeIndex(8), .nodes = 4}}).ok());
  EXPECT_FALSE(reader.nodes.contains(TreeIndex(8)));
  EXPECT_FALSE(reader.nodes.contains(TreeIndex(10)));
  EXPECT_TRUE(reader.nodes.contains(TreeIndex(9)));
  EXPECT_TRUE(reader.nodes.contains(TreeIndex(13)));
  EXPECT_TRUE(reader.nodes.contains(TreeIndex(3)));
  expect_nodes_as_written();
}

TEST_F(CommitBuilderTest, ShiftedSizesNeverReachTheTree) {
  // What a liar can do without breaking a hash: move bytes between two siblings that he both supplies.
  Proof proof = *writer.prove({.upgrade = upgrade(0, 13), .manifest = true});
  proof.upgrade->nodes.back().size += 1;              // 24
  proof.upgrade->additional_nodes.front().size -= 1;  // 26
  ASSERT_TRUE(take(proof).ok());
  expect_nodes_as_written();
  Proof hash = *writer.prove({.hash = ProofRequest::HashNode{.index = TreeIndex(6), .nodes = 4}});
  hash.hash->nodes[0].size -= 1;
  hash.hash->nodes[1].size += 1;
  ASSERT_TRUE(take(hash).ok());
  expect_nodes_as_written();
}

TEST_F(CommitBuilderTest, StorageFailureIsToldAsSuch) {
  follow();
  reader.fail = true;
  Result<CommitBuilder> const builder = CommitBuilder::begin(writer.key(), reader);
  ASSERT_FALSE(builder.ok());
  EXPECT_EQ(builder.error().code, ErrorCode::Storage);
  reader.fail = false;
  CommitBuilder good = begin();
  reader.fail = true;
  EXPECT_EQ(code_of(good.add(*writer.prove({.block = block(3, 0)}))), ErrorCode::Storage);
}

TEST_F(CommitBuilderTest, MissingRootIsAStorageError) {
  follow();
  reader.nodes.erase(TreeIndex(15));
  Result<CommitBuilder> const builder = CommitBuilder::begin(writer.key(), reader);
  ASSERT_FALSE(builder.ok());
  EXPECT_EQ(builder.error().code, ErrorCode::Storage);
}

}  // namespace
}  // namespace holdfast::core
