#pragma once

#include <cstdint>

#include "base/strong_id.h"
#include "core/bitfield.h"

namespace holdfast::core {

/// What is certainly stored of a core's tree, told from its bitfield alone, without reading a node.
///
/// Invariant behind it: with every stored node all its ancestors up to a current root are stored.
/// Why it holds: a commit takes a path only up to a node that is stored, an upgrade commits what it
/// adds up to the new roots, a fork cuts at a root, and forgetting blocks leaves the tree alone.
/// And a held block brought, or found, the sibling of every node on its path. So a node is
/// certainly stored if it is a root, or if a block is held under it or under its sibling, which is
/// to say under its parent. More may be stored (blocks that were cleared, upgrades): that costs
/// hashes on the wire, never correctness.

/// The `nodes` of a Request: levels from the block's leaf up to the first node that is certainly
/// stored (0: the leaf is). Returns: 0 if block >= length, as the protocol wants it for blocks
/// inside an upgrade. Complexity: O(log length) range queries.
std::uint64_t levels_to_known(Bitfield const& held, std::uint64_t length, BlockIndex block);

/// Whether every root of the tree that this core was at `smaller` blocks is certainly stored:
/// whether an upgrade from there can be proven. False if smaller > length.
bool holds_roots_of(Bitfield const& held, std::uint64_t length, std::uint64_t smaller);

}  // namespace holdfast::core
