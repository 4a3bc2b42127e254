#include "merkle/tree.h"

#include <gtest/gtest.h>

#include "support/hypercore_vectors.h"

namespace holdfast::merkle {
namespace {

using holdfast::testing::bytes_of;
using holdfast::testing::fixed_of;
using holdfast::testing::hypercore_vectors;
using holdfast::testing::nodes_of;

TEST(RootList, GrowsAsInJavaScript) {
  auto const& vectors = hypercore_vectors("merkle.json");
  RootList roots;
  std::vector<Node> all;
  for (auto const& row : vectors.at("rows")) {
    if (!row.at("block").is_null()) {
      BlockIndex const index(row.at("block").at("index").get<std::uint64_t>());
      Node const leaf = leaf_node(index, bytes_of(row.at("block").at("value")));
      EXPECT_EQ(leaf.hash, fixed_of<Hash>(row.at("block").at("leafHash")));
      all.push_back(leaf);
      ASSERT_TRUE(roots.push(leaf, all).ok());
    }
    EXPECT_EQ(roots.length(), row.at("length").get<std::uint64_t>());
    EXPECT_EQ(roots.nodes(), nodes_of(row.at("roots")));
    EXPECT_EQ(roots.hash(), fixed_of<Hash>(row.at("treeHash")));
  }
  std::ranges::sort(all, {}, &Node::index);
  EXPECT_EQ(all, nodes_of(vectors.at("allNodesAtLength20")));
}

TEST(RootList, RefusesANodeThatDoesNotContinueTheTree) {
  RootList roots;
  std::vector<Node> parents;
  ASSERT_TRUE(roots.push(leaf_node(BlockIndex(0), {}), parents).ok());
  Result<void> const gap = roots.push(leaf_node(BlockIndex(2), {}), parents);
  ASSERT_FALSE(gap.ok());
  EXPECT_EQ(gap.error().code, ErrorCode::BadProof);
}

TEST(RootList, RefusesSizesThatOverflow) {
  RootList roots;
  std::vector<Node> parents;
  ASSERT_TRUE(roots.push({.index = TreeIndex(0), .size = kSizeMax, .hash = {}}, parents).ok());
  EXPECT_FALSE(roots.push({.index = TreeIndex(2), .size = 1, .hash = {}}, parents).ok());
  EXPECT_FALSE(
      RootList().push({.index = TreeIndex(0), .size = kSizeMax + 1, .hash = {}}, parents).ok());
}

TEST(ParentNode, DoesNotDependOnTheOrderOfItsChildren) {
  Node const left = leaf_node(BlockIndex(0), as_bytes("left"));
  Node const right = leaf_node(BlockIndex(1), as_bytes("right"));
  EXPECT_EQ(parent_node(left, right), parent_node(right, left));
  EXPECT_EQ(parent_node(left, right)->size, 9U);
}

}  // namespace
}  // namespace holdfast::merkle
