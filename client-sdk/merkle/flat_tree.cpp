#include "merkle/flat_tree.h"

#include "base/check.h"

namespace holdfast::merkle {

std::vector<TreeIndex> cover(std::uint64_t start, std::uint64_t end) {
  std::vector<TreeIndex> out;
  while (start < end) {
    Span const next = first_subtree(start, end);
    out.push_back(node_over(next));
    start = next.end();
  }
  return out;
}

TreeIndex root_over(BlockIndex block, std::uint64_t length) {
  HOLDFAST_CHECK(block.value() < length);
  Span root = first_subtree(0, length);
  while (root.end() <= block.value()) root = first_subtree(root.end(), length);
  return node_over(root);
}

}  // namespace holdfast::merkle
