#include "merkle/flat_tree.h"

#include <gtest/gtest.h>

#include "support/hypercore_vectors.h"

namespace holdfast::merkle {
namespace {

using holdfast::testing::hypercore_vectors;

TEST(FlatTree, AgreesWithJavaScriptOnEveryNode) {
  nlohmann::json const vectors = hypercore_vectors("flat-tree.json");
  for (auto const& row : vectors.at("nodes")) {
    TreeIndex const node(row.at("index").get<std::uint64_t>());
    SCOPED_TRACE(node.value());
    EXPECT_EQ(depth_of(node), row.at("depth").get<unsigned>());
    EXPECT_EQ(offset_of(node), row.at("offset").get<std::uint64_t>());
    EXPECT_EQ(parent_of(node).value(), row.at("parent").get<std::uint64_t>());
    EXPECT_EQ(sibling_of(node).value(), row.at("sibling").get<std::uint64_t>());
    EXPECT_EQ(span_of(node).start * 2, row.at("spans")[0].get<std::uint64_t>());
    EXPECT_EQ((span_of(node).end() - 1) * 2, row.at("spans")[1].get<std::uint64_t>());
    EXPECT_EQ(node_over(span_of(node)), node);
    if (row.at("children").is_null()) continue;
    EXPECT_EQ(left_child_of(node).value(), row.at("children")[0].get<std::uint64_t>());
    EXPECT_EQ(right_child_of(node).value(), row.at("children")[1].get<std::uint64_t>());
  }
}

TEST(FlatTree, RootsAgreeWithJavaScript) {
  nlohmann::json const vectors = hypercore_vectors("flat-tree.json");
  for (auto const& row : vectors.at("fullRoots")) {
    std::vector<std::uint64_t> roots;
    for (TreeIndex const root : cover(0, row.at("length").get<std::uint64_t>())) {
      roots.push_back(root.value());
    }
    EXPECT_EQ(roots, row.at("fullRoots").get<std::vector<std::uint64_t>>());
  }
}

TEST(FlatTree, CoverTilesTheRangeWithMaximalSubtrees) {
  for (std::uint64_t start = 0; start < 70; ++start) {
    for (std::uint64_t end = start; end < 70; ++end) {
      std::uint64_t at = start;
      for (TreeIndex const node : cover(start, end)) {
        Span const span = span_of(node);
        ASSERT_EQ(span.start, at);
        bool const fits_larger = at % (2 * span.count) == 0 && at + 2 * span.count <= end;
        ASSERT_FALSE(fits_larger) << start << ".." << end;
        at = span.end();
      }
      ASSERT_EQ(at, end);
    }
  }
}

TEST(FlatTree, RootOverABlockIsTheRootWithItInItsSpan) {
  for (std::uint64_t length = 1; length < 70; ++length) {
    for (std::uint64_t block = 0; block < length; ++block) {
      Span const span = span_of(root_over(BlockIndex(block), length));
      EXPECT_LE(span.start, block);
      EXPECT_GT(span.end(), block);
      EXPECT_LE(span.end(), length);
    }
  }
}

TEST(FlatTree, KnowsWhichIndexesNoTreeHas) {
  EXPECT_TRUE(is_valid(TreeIndex(0)));
  EXPECT_TRUE(is_valid(leaf_of(BlockIndex(kLengthMax - 1))));
  EXPECT_TRUE(is_valid(TreeIndex(kLengthMax - 1)));  // The root over all of them.
  EXPECT_FALSE(is_valid(leaf_of(BlockIndex(kLengthMax))));
  EXPECT_FALSE(is_valid(TreeIndex(2 * kLengthMax - 1)));
  EXPECT_FALSE(is_valid(TreeIndex(~std::uint64_t{0})));
}

TEST(FlatTree, LargestTreeHasOneRoot) {
  EXPECT_EQ(cover(0, kLengthMax), std::vector<TreeIndex>{TreeIndex(kLengthMax - 1)});
  EXPECT_EQ(cover(0, kLengthMax - 1).size(), 52U);
}

}  // namespace
}  // namespace holdfast::merkle
