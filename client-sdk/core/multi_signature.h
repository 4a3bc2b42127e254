#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "merkle/node.h"

namespace holdfast::core {

/// Bounds of a multi-signature from a stranger.
struct MultiSignatureLimits {
  std::size_t proofs_max = 64;
  std::size_t nodes_max = 4'096;
};

/// Signatures of several signers, some over a longer tree than the one they vouch for. Source:
/// SPEC 3.4.
struct MultiSignature {
  struct Proof {
    std::uint64_t signer = 0;  ///< Position in the manifest.
    Signature signature;
    std::uint64_t patch = 0;  ///< Blocks by which the signed tree is longer; 0: it is this tree.
    /// Version 0 only, and never looked at: what follows from `patch` and the nodes anyhow.
    std::uint64_t patch_start = 0;
    std::vector<std::uint64_t> patch_nodes;
    friend bool operator==(Proof const&, Proof const&) = default;
  };
  std::vector<Proof> proofs;
  std::vector<merkle::Node> nodes;  ///< Of all patches.

  friend bool operator==(MultiSignature const&, MultiSignature const&) = default;
};

/// `manifest_version`: 0 has an encoding of its own.
Bytes encode(MultiSignature const& signature, std::uint64_t manifest_version);
/// Bytes behind the last field are ignored. Errors: Malformed, LimitExceeded.
Result<MultiSignature> decode_multi_signature(ByteView bytes, std::uint64_t manifest_version,
                                              MultiSignatureLimits const& limits = {});

}  // namespace holdfast::core
