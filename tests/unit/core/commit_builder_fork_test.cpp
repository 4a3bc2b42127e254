#include <gtest/gtest.h>

#include "core/commit_builder.h"
#include "support/hypercore_vectors.h"
#include "support/test_core.h"
#include "wire/messages.h"

namespace holdfast::core {
namespace {

using holdfast::testing::bytes_of;
using holdfast::testing::hypercore_vectors;
using holdfast::testing::MemoryView;
using holdfast::testing::TestCore;
using merkle::Proof;
using merkle::ProofRequest;

Proof decode(nlohmann::json const& hex) {
  auto message = wire::decode_message(wire::Data::kType, bytes_of(hex), {});
  return std::get<wire::Data>(message->value()).proof;
}

/// A reader that holds all of what `writer` holds.
MemoryView full_copy(TestCore const& writer) {
  MemoryView reader;
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  HOLDFAST_CHECK(builder.add(
      *writer.prove({.upgrade = ProofRequest::Upgrade{.start = 0, .length = writer.length()},
                     .manifest = true})));
  for (std::uint64_t i = 0; i < writer.length(); ++i) {
    TreeIndex const root = merkle::root_over(BlockIndex(i), writer.length());
    HOLDFAST_CHECK(builder.add(*writer.prove(
        {.block = ProofRequest::Block{.index = BlockIndex(i), .nodes = merkle::depth_of(root)}})));
  }
  reader.apply(std::move(builder).take());
  return reader;
}

TestCore writer_of(std::uint64_t blocks) {
  TestCore writer(1);
  for (std::uint64_t i = 0; i < blocks; ++i) writer.append(Bytes(1, static_cast<Byte>(i)));
  return writer;
}

ProofRequest whole(TestCore const& writer) {
  return {.upgrade = ProofRequest::Upgrade{.start = 0, .length = writer.length()}};
}

TEST(CommitBuilderFork, FollowsTheForkThatJavaScriptMade) {
  auto const& merkle = hypercore_vectors("merkle.json");
  auto const& proofs = hypercore_vectors("proofs.json");
  auto const& fork = hypercore_vectors("fork.json");
  CoreKey const key = holdfast::testing::fixed_of<CoreKey>(proofs.at("key"));
  MemoryView reader;
  CommitBuilder first = *CommitBuilder::begin(key, reader);
  ASSERT_TRUE(first.add(decode(proofs.at("proofs")[1].at("wireData"))).ok());  // 0..20, manifest.
  reader.apply(std::move(first).take());
  for (auto const& node : testing::nodes_of(merkle.at("allNodesAtLength20"))) {
    reader.nodes.insert_or_assign(node.index, node);
  }

  CommitBuilder builder = *CommitBuilder::begin(key, reader);
  Result<void> const added = builder.add(decode(fork.at("proofs")[0].at("wireData")));
  ASSERT_TRUE(added.ok()) << to_string(added.error());
  Commit commit = std::move(builder).take();
  EXPECT_EQ(commit.truncate_to, fork.at("ancestors").get<std::uint64_t>());
  ASSERT_TRUE(commit.head.has_value());
  EXPECT_EQ(commit.head->fork, 1U);
  EXPECT_EQ(commit.head->length, 7U);
  EXPECT_EQ(commit.head->signature, bytes_of(fork.at("signature")));
  reader.apply(std::move(commit));
  for (auto const& root : testing::nodes_of(fork.at("roots"))) {
    EXPECT_EQ(reader.nodes.at(root.index), root);
  }

  CommitBuilder hashes = *CommitBuilder::begin(key, reader);
  EXPECT_TRUE(hashes.add(decode(fork.at("proofs")[1].at("wireData"))).ok());
}

TEST(CommitBuilderFork, OlderForkAndPartsOfANewerOneAreConflicts) {
  TestCore writer = writer_of(10);
  MemoryView const reader = full_copy(writer);
  Proof const old =
      *writer.prove({.block = ProofRequest::Block{.index = BlockIndex(3), .nodes = 0}});
  writer.truncate(5);
  writer.append(Bytes(9, 9));
  for (ProofRequest const& request :
       {ProofRequest{.upgrade = ProofRequest::Upgrade{.start = 5, .length = 1}},
        ProofRequest{.block = ProofRequest::Block{.index = BlockIndex(3), .nodes = 0}}}) {
    CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
    Result<void> const added = builder.add(*writer.prove(request));
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().code, ErrorCode::Conflict);
  }
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  ASSERT_TRUE(builder.add(*writer.prove(whole(writer))).ok());
  Result<void> const late = builder.add(old);
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::Conflict);
}

TEST(CommitBuilderFork, TruncationAloneKeepsTheWholeCommonPrefix) {
  TestCore writer = writer_of(10);
  MemoryView reader = full_copy(writer);
  writer.truncate(6);
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  ASSERT_TRUE(builder.add(*writer.prove(whole(writer))).ok());
  Commit commit = std::move(builder).take();
  EXPECT_EQ(commit.truncate_to, 6U);
  reader.apply(std::move(commit));
  EXPECT_EQ(reader.blocks.size(), 6U);
  EXPECT_EQ(reader.nodes, writer.view().nodes);
}

TEST(CommitBuilderFork, NothingInCommonCutsEverything) {
  TestCore writer = writer_of(10);
  MemoryView reader = full_copy(writer);
  writer.truncate(0);
  writer.append(Bytes(9, 9));
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  ASSERT_TRUE(builder.add(*writer.prove(whole(writer))).ok());
  reader.apply(std::move(builder).take());
  EXPECT_TRUE(reader.blocks.empty());
  EXPECT_EQ(reader.nodes, writer.view().nodes);
  EXPECT_EQ(reader.head(), writer.view().head());
}

TEST(CommitBuilderFork, WhatTheBuilderCollectedBehindTheCutGoesToo) {
  TestCore writer = writer_of(8);
  MemoryView reader;
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  ProofRequest first = whole(writer);
  first.manifest = true;
  ASSERT_TRUE(builder.add(*writer.prove(first)).ok());
  for (std::uint64_t const i : {1U, 6U}) {
    ASSERT_TRUE(
        builder
            .add(*writer.prove({.block = ProofRequest::Block{.index = BlockIndex(i), .nodes = 3}}))
            .ok());
  }
  writer.truncate(4);
  writer.append(Bytes(9, 9));
  ASSERT_TRUE(builder.add(*writer.prove(whole(writer))).ok());
  Commit commit = std::move(builder).take();
  ASSERT_EQ(commit.blocks.size(), 1U);
  EXPECT_EQ(commit.blocks[0].index, BlockIndex(1));
  reader.apply(std::move(commit));
  for (auto const& [index, node] : reader.nodes) EXPECT_EQ(node, writer.view().nodes.at(index));
}

TEST(CommitBuilderFork, BlockMayComeInsideTheFork) {
  TestCore writer = writer_of(10);
  MemoryView reader = full_copy(writer);
  writer.truncate(4);
  writer.append(Bytes(9, 9));
  ProofRequest request = whole(writer);
  request.block = ProofRequest::Block{.index = BlockIndex(4), .nodes = 0};
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  ASSERT_TRUE(builder.add(*writer.prove(request)).ok());
  reader.apply(std::move(builder).take());
  EXPECT_EQ(reader.blocks, writer.view().blocks);
}

TEST(CommitBuilderFork, ForgedForkIsRefused) {
  TestCore writer = writer_of(10);
  MemoryView const reader = full_copy(writer);
  Proof proof = *writer.prove(whole(writer));
  proof.fork = 7;
  CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
  Result<void> const added = builder.add(proof);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, ErrorCode::BadSignature);
  EXPECT_TRUE(std::move(builder).take().empty());
}

}  // namespace
}  // namespace holdfast::core
