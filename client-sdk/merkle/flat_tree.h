#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/strong_id.h"

namespace holdfast::merkle {

/// Arithmetic of the flat in-order numbering of tree nodes: leaf i is node 2 i, and the node over
/// the leaves [s, s + c), with c a power of two that divides s, is node 2 s + c - 1. Nothing here
/// reads or stores a tree. Requires everywhere: lengths and block numbers up to kLengthMax, nodes
/// whose span ends there at the latest. Source: SPEC 8.1.
inline constexpr std::uint64_t kLengthMax = std::uint64_t{1}
                                            << 52;  ///< So that every index stays below 2^53.

/// The leaves under a node: [start, start + count).
struct Span {
  std::uint64_t start = 0;
  std::uint64_t count = 0;
  constexpr std::uint64_t end() const { return start + count; }
  friend constexpr bool operator==(Span const&, Span const&) = default;
};

constexpr TreeIndex leaf_of(BlockIndex block) { return TreeIndex(block.value() * 2); }
/// Levels above the leaves: 0 for a leaf.
constexpr unsigned depth_of(TreeIndex node) {
  return static_cast<unsigned>(std::countr_one(node.value()));
}
/// Position among the nodes of its depth.
constexpr std::uint64_t offset_of(TreeIndex node) { return node.value() >> depth_of(node) >> 1; }
constexpr Span span_of(TreeIndex node) {
  unsigned const depth = depth_of(node);
  return {.start = offset_of(node) << depth, .count = std::uint64_t{1} << depth};
}
/// Requires: count is a power of two that divides start.
constexpr TreeIndex node_over(Span span) { return TreeIndex(span.start * 2 + span.count - 1); }
/// False for numbers that no tree within kLengthMax has. Every index from a stranger goes through
/// here first.
constexpr bool is_valid(TreeIndex node) {
  return node.value() < 2 * kLengthMax && span_of(node).end() <= kLengthMax;
}

constexpr TreeIndex parent_of(TreeIndex node) {
  Span const span = span_of(node);
  return node_over({.start = span.start & ~(2 * span.count - 1), .count = 2 * span.count});
}
constexpr TreeIndex sibling_of(TreeIndex node) {
  Span const span = span_of(node);
  return node_over({.start = span.start ^ span.count, .count = span.count});
}
constexpr bool is_left(TreeIndex node) { return offset_of(node) % 2 == 0; }
/// Requires: not a leaf.
constexpr TreeIndex left_child_of(TreeIndex node) {
  Span const span = span_of(node);
  return node_over({.start = span.start, .count = span.count / 2});
}
/// Requires: not a leaf.
constexpr TreeIndex right_child_of(TreeIndex node) { return sibling_of(left_child_of(node)); }

/// The largest aligned subtree that starts at `start` and ends at `end` or before. Requires: start
/// < end.
constexpr Span first_subtree(std::uint64_t start, std::uint64_t end) {
  std::uint64_t const fits = std::bit_floor(end - start);
  std::uint64_t const aligned = start & (~start + 1);
  return {.start = start, .count = start == 0 || fits < aligned ? fits : aligned};
}

/// The maximal aligned subtrees that tile [start, end), from left to right. Empty if start >= end.
/// Every list of nodes in an upgrade is such a cover; cover(0, n) are the roots of a tree of n
/// blocks.
std::vector<TreeIndex> cover(std::uint64_t start, std::uint64_t end);
/// The element of cover(0, length) that has this block under it. Requires: block < length.
TreeIndex root_over(BlockIndex block, std::uint64_t length);

}  // namespace holdfast::merkle
