#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "base/strong_id.h"

namespace holdfast::store {

/// Whether the tree node spans a block at or past `length`. Such nodes go when a core is cut to
/// `length`. A node of depth d at flat index i spans the flat indexes i - (2^d - 1) to i + (2^d -
/// 1).
constexpr bool spans_past(TreeIndex node, std::uint64_t length) {
  int const depth = std::countr_one(node.value());
  if (depth >= 63) return true;  // Deeper than any core; the sum below would overflow.
  std::uint64_t const reach = (std::uint64_t{1} << depth) - 1;
  return node.value() + reach >= length * 2;
}

/// The ancestor of a block's leaf `depth` levels up. Requires: depth < 62, block < 2^53.
constexpr TreeIndex ancestor_of(std::uint64_t block, int depth) {
  std::uint64_t const step = std::uint64_t{1} << depth;
  return TreeIndex((block >> depth) * 2 * step + step - 1);
}

static_assert(!spans_past(TreeIndex(0), 1) && spans_past(TreeIndex(2), 1));
static_assert(!spans_past(TreeIndex(1), 2) && spans_past(TreeIndex(1), 1));
static_assert(spans_past(TreeIndex(3), 3) && !spans_past(TreeIndex(3), 4));
static_assert(ancestor_of(3, 1) == TreeIndex(5) && ancestor_of(3, 2) == TreeIndex(3));

}  // namespace holdfast::store
