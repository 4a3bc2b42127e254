#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "merkle/flat_tree.h"
#include "merkle/node.h"

namespace holdfast::merkle {

inline constexpr std::uint64_t kSizeMax = (std::uint64_t{1} << 53) - 1;  ///< Bytes under one node.

/// The leaf of a block: its hash binds index-free content and size. Source: SPEC 8.2.
Node leaf_node(BlockIndex block, ByteView value);
/// The node over two siblings, in either order.
/// Requires: b.index == sibling_of(a.index).
/// Returns: nothing if the sizes add up to more than kSizeMax, which only a liar's do.
std::optional<Node> parent_node(Node const& a, Node const& b);
/// What a signature is about: the roots of a tree, left to right.
Hash tree_hash(std::span<Node const> roots);

/// The roots of a growing tree. Invariant: their indexes are cover(0, length()).
class RootList {
 public:
  RootList() = default;
  /// Requires: `roots` are the roots of one tree, left to right.
  explicit RootList(std::vector<Node> roots);

  /// Adds the subtree that starts where the tree ends; while the last two roots are siblings, their
  /// parent replaces them. `parents`: the parents made on the way are appended. Errors: BadProof
  /// (starts elsewhere, too large, sizes overflow). The list is then no longer of use.
  Result<void> push(Node const& subtree, std::vector<Node>& parents);

  std::uint64_t length() const { return length_; }  ///< Blocks.
  std::vector<Node> const& nodes() const { return nodes_; }
  Hash hash() const { return tree_hash(nodes_); }

 private:
  std::vector<Node> nodes_;
  std::uint64_t length_ = 0;
};

}  // namespace holdfast::merkle
