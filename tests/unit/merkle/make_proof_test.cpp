#include "merkle/make_proof.h"

#include <map>

#include <gtest/gtest.h>

#include "merkle/tree.h"
#include "support/hypercore_vectors.h"
#include "wire/messages.h"

namespace holdfast::merkle {
namespace {

using holdfast::testing::bytes_of;
using holdfast::testing::hypercore_vectors;
using holdfast::testing::nodes_of;

class NodeMap final : public NodeReader {
 public:
  Result<std::optional<Node>> node(TreeIndex index) const override {
    auto const it = nodes.find(index);
    if (it == nodes.end()) return std::optional<Node>();
    return std::optional(it->second);
  }
  std::map<TreeIndex, Node> nodes;
};

ProofRequest request_of(nlohmann::json const& json) {
  ProofRequest out;
  auto const uint = [](nlohmann::json const& of, char const* name) {
    return of.at(name).get<std::uint64_t>();
  };
  if (auto const& block = json.at("block"); !block.is_null()) {
    out.block = {.index = BlockIndex(uint(block, "index")), .nodes = uint(block, "nodes")};
  }
  if (auto const& hash = json.at("hash"); !hash.is_null()) {
    out.hash = {.index = TreeIndex(uint(hash, "index")), .nodes = uint(hash, "nodes")};
  }
  if (auto const& seek = json.at("seek"); !seek.is_null()) {
    out.seek = {.bytes = uint(seek, "bytes"), .padding = uint(seek, "padding")};
  }
  if (auto const& upgrade = json.at("upgrade"); !upgrade.is_null()) {
    out.upgrade = {.start = uint(upgrade, "start"), .length = uint(upgrade, "length")};
  }
  out.manifest = json.value("manifest", false);
  return out;
}

/// The core of 20 blocks that merkle.json and proofs.json are about.
class MakeProof : public ::testing::Test {
 protected:
  MakeProof() {
    auto const& merkle = hypercore_vectors("merkle.json");
    for (Node const& node : nodes_of(merkle.at("allNodesAtLength20"))) {
      tree.nodes.emplace(node.index, node);
    }
    signature = bytes_of(merkle.at("rows").back().at("v1").at("signature"));
    manifest = bytes_of(merkle.at("manifestV1"));
    for (auto const& row : merkle.at("rows")) {
      if (!row.at("block").is_null()) blocks.push_back(bytes_of(row.at("block").at("value")));
    }
  }

  Result<Proof> prove(ProofRequest const& request) const {
    Result<Proof> proof = make_proof(tree, source(), request);
    if (proof && proof->block) proof->block->value = blocks.at(proof->block->index.value());
    if (proof && request.manifest) proof->manifest = manifest;
    return proof;
  }
  ProofSource source() const { return {.fork = 0, .length = 20, .signature = signature}; }
  ErrorCode refusal(ProofRequest const& request) const {
    Result<Proof> const proof = prove(request);
    EXPECT_FALSE(proof.ok());
    return proof.ok() ? ErrorCode::Storage : proof.error().code;
  }

  NodeMap tree;
  Bytes signature;
  Bytes manifest;
  std::vector<Bytes> blocks;
};

TEST_F(MakeProof, AnswersAsJavaScriptDoesByteForByte) {
  int compared = 0;
  nlohmann::json const vectors = hypercore_vectors("proofs.json");
  for (auto const& row : vectors.at("proofs")) {
    SCOPED_TRACE(row.at("label").get<std::string>());
    ProofRequest const request = request_of(row.at("request"));
    if (request.seek) continue;  // Never offered.
    Result<Proof> const proof = prove(request);
    if (row.contains("error")) {
      ASSERT_FALSE(proof.ok());
      EXPECT_EQ(proof.error().code, ErrorCode::Malformed);
      continue;
    }
    ASSERT_TRUE(proof.ok()) << to_string(proof.error());
    EXPECT_EQ(to_hex(wire::encode(wire::Data{.request = 1, .proof = *proof})),
              row.at("wireData").get<std::string>());
    ++compared;
  }
  EXPECT_EQ(compared, 28);
}

TEST_F(MakeProof, SaysNotFoundWhenATreeNodeIsMissing) {
  ProofRequest const request{.block = ProofRequest::Block{.index = BlockIndex(3), .nodes = 3}};
  for (std::uint64_t const missing : {4U, 1U, 11U}) {
    NodeMap sparse = tree;
    sparse.nodes.erase(TreeIndex(missing));
    Result<Proof> const proof = make_proof(sparse, source(), request);
    ASSERT_FALSE(proof.ok());
    EXPECT_EQ(proof.error().code, ErrorCode::NotFound);
  }
}

TEST_F(MakeProof, RefusesWhatNoCopyCouldAnswer) {
  std::uint64_t const huge = ~std::uint64_t{0};
  auto const upgrade = [](std::uint64_t start, std::uint64_t length) {
    return ProofRequest{.upgrade = ProofRequest::Upgrade{.start = start, .length = length}};
  };
  auto const block = [](std::uint64_t index, std::uint64_t nodes) {
    return ProofRequest{.block = ProofRequest::Block{.index = BlockIndex(index), .nodes = nodes}};
  };
  auto const hash = [](std::uint64_t index, std::uint64_t nodes) {
    return ProofRequest{.hash = ProofRequest::HashNode{.index = TreeIndex(index), .nodes = nodes}};
  };
  for (ProofRequest const& request :
       {upgrade(0, 0), upgrade(20, 1), upgrade(0, 21), upgrade(huge, 2), upgrade(2, huge),
        block(20, 0), block(huge, 0), block(huge / 2 + 1, 0), block(3, huge), block(16, 3),
        hash(39, 0), hash(huge, 0), hash(31, 0),
        ProofRequest{.seek = ProofRequest::Seek{.bytes = 1}}}) {
    EXPECT_EQ(refusal(request), ErrorCode::Malformed);
  }
}

TEST_F(MakeProof, RefusesABlockBehindTheUpgradeAndANodeAcrossItsStart) {
  ProofRequest request{.block = ProofRequest::Block{.index = BlockIndex(10), .nodes = 0},
                       .upgrade = ProofRequest::Upgrade{.start = 0, .length = 10}};
  EXPECT_EQ(refusal(request), ErrorCode::Malformed);
  request.block.reset();
  request.hash = ProofRequest::HashNode{.index = TreeIndex(3), .nodes = 0};
  request.upgrade = ProofRequest::Upgrade{.start = 1, .length = 10};
  EXPECT_EQ(refusal(request), ErrorCode::Malformed);
}

TEST_F(MakeProof, PrologueComesAsAWhole) {
  ProofSource from = source();
  from.prologue_length = 13;
  ProofRequest const request{.upgrade = ProofRequest::Upgrade{.start = 0, .length = 2}};
  Result<Proof> const proof = make_proof(tree, from, request);
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(proof->upgrade->start, 0U);
  EXPECT_EQ(proof->upgrade->length, 13U);
  EXPECT_EQ(proof->upgrade->nodes.size(), 3U);
  EXPECT_EQ(proof->upgrade->additional_nodes.size(), 3U);
}

TEST_F(MakeProof, EmptyTreeAnswersEmpty) {
  ProofRequest const request{.upgrade = ProofRequest::Upgrade{.start = 0, .length = 2}};
  Result<Proof> const proof = make_proof(tree, {.fork = 4}, request);
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(*proof, Proof{.fork = 4});
}

}  // namespace
}  // namespace holdfast::merkle
