#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "merkle/node.h"
#include "merkle/proof.h"

namespace holdfast::merkle {

/// The tree that proofs are made from.
struct ProofSource {
  std::uint64_t fork = 0;
  std::uint64_t length = 0;  ///< Blocks that the signature is for.
  ByteView signature{};      ///< Borrowed during the call.
  std::uint64_t prologue_length =
      0;  ///< Blocks that the manifest's prologue vouches for; 0 without one.
};

/// Answers a request with tree nodes. The value of a block and the manifest are left for the caller
/// to fill in. `request`: as a stranger sent it; any numbers. Returns: an empty proof for an empty
/// tree. `upgrade` echoes the request, or the prologue where that must come first. Errors: NotFound
/// (a tree node is not stored here: NoData 1); Malformed (the request cannot be answered by any
/// copy of
///         this tree, or is a seek: NoData 2); what the reader fails with.
/// Complexity: O(log length) node reads. Source: SPEC 8.3.
Result<Proof> make_proof(NodeReader const& nodes, ProofSource const& source,
                         ProofRequest const& request);

}  // namespace holdfast::merkle
