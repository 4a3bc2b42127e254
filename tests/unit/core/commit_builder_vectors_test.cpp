#include <gtest/gtest.h>

#include "base/random.h"
#include "core/commit_builder.h"
#include "core/manifest.h"
#include "core/proof_planner.h"
#include "support/hypercore_vectors.h"
#include "support/test_core.h"
#include "wire/messages.h"

namespace holdfast::core {
namespace {

using holdfast::testing::bytes_of;
using holdfast::testing::fixed_of;
using holdfast::testing::hypercore_vectors;
using holdfast::testing::MemoryView;
using holdfast::testing::TestCore;
using merkle::Proof;
using merkle::ProofRequest;

std::optional<Proof> decode(ByteView body) {
  auto message = wire::decode_message(wire::Data::kType, body, {});
  if (!message) return std::nullopt;
  return std::get<wire::Data>(message->value()).proof;
}

/// The 20 blocks of merkle.json, as somebody who holds nothing but the roots at `length` sees them.
MemoryView roots_only(std::uint64_t length, bool with_manifest) {
  auto const& merkle = hypercore_vectors("merkle.json");
  MemoryView view;
  auto const& row = merkle.at("rows").at(length);
  for (auto const& root : testing::nodes_of(row.at("roots"))) view.nodes.emplace(root.index, root);
  view.set_head({.fork = 0, .length = length, .signature = bytes_of(row.at("v1").at("signature"))});
  if (with_manifest) view.set_manifest(bytes_of(merkle.at("manifestV1")));
  return view;
}

/// All nodes of the 20 blocks.
MemoryView full_tree() {
  MemoryView view = roots_only(20, true);
  for (auto const& node :
       testing::nodes_of(hypercore_vectors("merkle.json").at("allNodesAtLength20"))) {
    view.nodes.insert_or_assign(node.index, node);
  }
  return view;
}

/// Where the reader of a recorded proof stands.
MemoryView reader_for(nlohmann::json const& row) {
  auto const& upgrade = row.at("request").at("upgrade");
  if (upgrade.is_null()) return full_tree();
  std::uint64_t const start = upgrade.at("start").get<std::uint64_t>();
  bool const brings_manifest = row.at("request").value("manifest", false);
  MemoryView view = roots_only(start, !brings_manifest);
  if (start == 5) {  // Asked for block 2 with two levels: node 3 is a root of 5.
    EXPECT_TRUE(view.nodes.contains(TreeIndex(3)));
  }
  return view;
}

struct Outcome {
  bool taken = false;
  MemoryView after;
};

Outcome add(CoreKey const& key, MemoryView const& before, Proof const& proof) {
  CommitBuilder builder = *CommitBuilder::begin(key, before);
  Outcome out{.taken = builder.add(proof).ok(), .after = before};
  out.after.apply(std::move(builder).take());
  return out;
}

TEST(RecordedProofs, AreAllTaken) {
  auto const& vectors = hypercore_vectors("proofs.json");
  CoreKey const key = fixed_of<CoreKey>(vectors.at("key"));
  MemoryView const all = full_tree();
  int taken = 0;
  for (auto const& row : vectors.at("proofs")) {
    if (row.contains("error") || !row.at("request").at("seek").is_null()) continue;
    SCOPED_TRACE(row.at("label").get<std::string>());
    Outcome const outcome = add(key, reader_for(row), *decode(bytes_of(row.at("wireData"))));
    EXPECT_TRUE(outcome.taken);
    for (auto const& [index, node] : outcome.after.nodes) EXPECT_EQ(node, all.nodes.at(index));
    if (!row.at("request").at("upgrade").is_null()) {
      EXPECT_EQ(outcome.after.head(), all.head());
    }
    ++taken;
  }
  EXPECT_EQ(taken, 28);
}

TEST(RecordedProofs, EveryFlippedByteIsRefusedOrChangesNothing) {
  auto const& vectors = hypercore_vectors("proofs.json");
  nlohmann::json const blocks = hypercore_vectors("merkle.json").at("rows");
  CoreKey const key = fixed_of<CoreKey>(vectors.at("key"));
  MemoryView const all = full_tree();
  for (auto const& row : vectors.at("proofs")) {
    if (row.contains("error") || !row.at("request").at("seek").is_null()) continue;
    SCOPED_TRACE(row.at("label").get<std::string>());
    Bytes const body = bytes_of(row.at("wireData"));
    MemoryView const before = reader_for(row);
    for (std::size_t i = 0; i < body.size(); ++i) {
      for (Byte const flip : {Byte{0x01}, Byte{0x80}}) {
        Bytes flipped = body;
        flipped[i] ^= flip;
        std::optional<Proof> const proof = decode(flipped);
        if (!proof) continue;
        Outcome const outcome = add(key, before, *proof);
        if (!outcome.taken) continue;
        // Whatever was taken is part of the one true log.
        for (auto const& [index, node] : outcome.after.nodes)
          ASSERT_EQ(node, all.nodes.at(index)) << i;
        for (auto const& [index, value] : outcome.after.blocks) {
          ASSERT_EQ(value, bytes_of(blocks.at(index.value() + 1).at("block").at("value"))) << i;
        }
        bool const same_head = outcome.after.head() == before.head();
        ASSERT_TRUE(same_head || outcome.after.head().length == 20) << i;
      }
    }
  }
}

TEST(RecordedProofs, StaticCoreNeedsNoSignature) {
  nlohmann::json const row = hypercore_vectors("multisig.json").at("cases")[2];
  CoreKey const key = fixed_of<CoreKey>(row.at("key"));
  Proof const proof = *decode(bytes_of(row.at("wireData")));
  Outcome const outcome = add(key, MemoryView(), proof);
  ASSERT_TRUE(outcome.taken);
  EXPECT_EQ(outcome.after.head(), (Head{.fork = 0, .length = 5, .signature = {}}));
  EXPECT_EQ(outcome.after.manifest(), bytes_of(row.at("manifest")));

  Proof signed_in_vain = proof;
  signed_in_vain.upgrade->signature = Bytes(1'000, 7);
  EXPECT_TRUE(add(key, MemoryView(), signed_in_vain).after.head().signature.empty());
}

TEST(RecordedProofs, PrologueCannotBeCut) {
  nlohmann::json const row = hypercore_vectors("multisig.json").at("cases")[2];
  Proof proof = *decode(bytes_of(row.at("wireData")));
  proof.upgrade->length = 4;
  proof.upgrade->nodes.pop_back();
  MemoryView const empty;
  CommitBuilder builder = *CommitBuilder::begin(fixed_of<CoreKey>(row.at("key")), empty);
  Result<void> const added = builder.add(proof);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, ErrorCode::BadProof);
}

TEST(RecordedProofs, MultiSignedTreeWithAPatchIsTaken) {
  for (std::size_t i = 0; i < 2; ++i) {
    nlohmann::json const row = hypercore_vectors("multisig.json").at("cases")[i];
    SCOPED_TRACE(row.at("label").get<std::string>());
    Proof const proof{.fork = 0,
                      .upgrade = Proof::Upgrade{.start = 0,
                                                .length = 4,
                                                .nodes = testing::nodes_of(row.at("roots")),
                                                .signature = bytes_of(row.at("signature"))},
                      .manifest = bytes_of(row.at("manifest"))};
    EXPECT_TRUE(add(fixed_of<CoreKey>(row.at("key")), MemoryView(), proof).taken);
  }
}

/// Sparse copies that answer one another, with random requests: whatever is asked for arrives as it was written.
TEST(RoundTrip, RandomTreesSparseHoldersAndRequests) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    SeededRng rng(seed);
    TestCore writer(static_cast<Byte>(seed),
                    seed % 4 == 0 ? TestCore::Kind::Compat : TestCore::Kind::Manifest);
    for (std::uint64_t i = 1 + rng.below(90); i > 0; --i) writer.append(Bytes(rng.below(40), 5));
    MemoryView reader;
    Bitfield held;
    for (int step = 0; step < 80; ++step) {
      std::uint64_t const length = reader.head().length;
      ProofRequest request;
      bool const grows = length < writer.length() && rng.below(5) == 0;
      if (grows) {
        request.upgrade = ProofRequest::Upgrade{.start = length,
                                                .length = 1 + rng.below(writer.length() - length)};
        request.manifest = true;
      }
      std::uint64_t const end = grows ? length + request.upgrade->length : length;
      if (end > 0 && (!grows || rng.below(2) == 0)) {
        BlockIndex const block(rng.below(end));
        request.block =
            ProofRequest::Block{.index = block, .nodes = levels_to_known(held, length, block)};
      }
      Proof const proof = *writer.prove(request);
      CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
      Result<void> const added = builder.add(proof);
      ASSERT_TRUE(added.ok()) << to_string(added.error());
      reader.apply(std::move(builder).take());
      if (request.block) held.set(request.block->index.value());
      if (grows) {
        ASSERT_EQ(reader.head(), writer.view().head());
      }
    }
    for (auto const& [index, node] : reader.nodes) ASSERT_EQ(node, writer.view().nodes.at(index));
    for (auto const& [index, value] : reader.blocks)
      ASSERT_EQ(value, writer.view().blocks.at(index));
    EXPECT_EQ(reader.blocks.size(), held.count());

    for (std::uint64_t i = 0; i < reader.head().length; ++i) {
      CommitBuilder builder = *CommitBuilder::begin(writer.key(), reader);
      BlockIndex const block(i);
      ASSERT_TRUE(builder
                      .add(*writer.prove(
                          {.block = ProofRequest::Block{.index = block,
                                                        .nodes = levels_to_known(
                                                            held, reader.head().length, block)}}))
                      .ok());
      reader.apply(std::move(builder).take());
      held.set(i);
    }
    if (reader.head().length == writer.length()) {
      EXPECT_EQ(reader.nodes, writer.view().nodes);
    }
  }
}

}  // namespace
}  // namespace holdfast::core
