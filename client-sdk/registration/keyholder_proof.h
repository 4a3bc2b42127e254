#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::registration {

/// Says that a replicator knows the project key behind a registry key.
/// Format: docs/formats/keyholder-proof.md.
struct KeyholderProof {
  PublicKey keyholder;               ///< Public half of keyholder_pair_of(project key).
  std::uint64_t expires_unix_s = 0;  ///< First second at which it no longer counts; below 2^53.
  Signature signature;
  friend bool operator==(KeyholderProof const&, KeyholderProof const&) = default;
};

/// The 72 bytes that are signed: replicator id || registry key || u64le expiry.
FixedBytes<struct ProofMessageTag, 72> proof_message(PublicKey const& replicator,
                                                     DiscoveryKey const& key,
                                                     std::uint64_t expires_unix_s);

/// `keyholder`: keyholder_pair_of(project key).
KeyholderProof make_keyholder_proof(KeyPair const& keyholder, PublicKey const& replicator,
                                    DiscoveryKey const& key, std::uint64_t expires_unix_s);

/// Whether the proof holds for this replicator and key, now. Whether its keyholder is the one of
/// the project is for the caller to compare: only who knows the project key can.
/// Errors: Denied (expired), BadSignature.
Result<void> check_keyholder_proof(KeyholderProof const& proof, PublicKey const& replicator,
                                   DiscoveryKey const& key, std::uint64_t now_unix_s);

}  // namespace holdfast::registration
