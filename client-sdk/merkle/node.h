#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "base/strong_id.h"
#include "crypto/hash.h"

namespace holdfast::merkle {

/// A node of a core's Merkle tree.
struct Node {
  TreeIndex index;
  std::uint64_t size =
      0;  ///< Bytes of all blocks under it. Only bound by the parent's hash: never allocate by it.
  Hash hash;

  friend bool operator==(Node const&, Node const&) = default;
};

/// Where pure code reads stored tree nodes from; a store's snapshot, an overlay, or a map in tests.
class NodeReader {
 public:
  virtual ~NodeReader() = default;
  /// Returns: nothing if the node is not stored. Errors: Storage.
  virtual Result<std::optional<Node>> node(TreeIndex index) const = 0;
};

}  // namespace holdfast::merkle
