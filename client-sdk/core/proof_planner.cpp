#include "core/proof_planner.h"

#include <algorithm>

#include "merkle/flat_tree.h"

namespace holdfast::core {

namespace {

bool is_certainly_stored(Bitfield const& held, std::uint64_t length, TreeIndex node) {
  if (node == merkle::root_over(BlockIndex(merkle::span_of(node).start), length)) return true;
  merkle::Span const around = merkle::span_of(merkle::parent_of(node));
  return held.first_held(around.start, around.end()).has_value();
}

}  // namespace

std::uint64_t levels_to_known(Bitfield const& held, std::uint64_t length, BlockIndex block) {
  if (block.value() >= length) return 0;
  TreeIndex const root = merkle::root_over(block, length);
  std::uint64_t levels = 0;
  for (TreeIndex at = merkle::leaf_of(block); at != root; at = merkle::parent_of(at)) {
    merkle::Span const around = merkle::span_of(merkle::parent_of(at));
    if (held.first_held(around.start, around.end())) break;
    ++levels;
  }
  return levels;
}

bool holds_roots_of(Bitfield const& held, std::uint64_t length, std::uint64_t smaller) {
  if (smaller > length) return false;
  return std::ranges::all_of(merkle::cover(0, smaller), [&](TreeIndex node) {
    return is_certainly_stored(held, length, node);
  });
}

}  // namespace holdfast::core
