#pragma once

#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

using CoreKey = FixedBytes<struct CoreKeyTag, 32>;  ///< Names a core; who knows it may read.
using DiscoveryKey =
    FixedBytes<struct DiscoveryKeyTag, 32>;  ///< Public hash of a core key; also any registry key.
using PublicKey =
    FixedBytes<struct PublicKeyTag, 32>;  ///< Ed25519. A replicator's id is one of these.
using Seed = FixedBytes<struct SeedTag, 32>;
using Signature = FixedBytes<struct SignatureTag, 64>;

/// An Ed25519 pair. The seed is the secret: never logged, never sent.
struct KeyPair {
  PublicKey public_key;
  FixedBytes<struct SecretKeyTag, 64> secret_key;  ///< seed || public key, as libsodium has it.

  static KeyPair from_seed(Seed const& seed);
  static KeyPair random();
};

/// Must be called once before anything else in crypto/ (thread-safe, repeatable).
/// Errors: Unavailable if libsodium cannot start.
Result<void> init_crypto();

Signature sign(KeyPair const& pair, ByteView message);
bool verify(PublicKey const& key, ByteView message, Signature const& signature);

/// BLAKE2b-256 keyed by the core key over "hypercore". Source: SPEC 3.2.
DiscoveryKey discovery_key_of(CoreKey const& key);

/// The pair whose public half anybody who knows the project key can derive, and nobody else.
/// Derivation: seed = BLAKE2b-256[key = project key]("holdfast/keyholder").
KeyPair keyholder_pair_of(CoreKey const& project_key);

/// Cryptographically secure random bytes.
void random_bytes(std::span<Byte> out);

}  // namespace holdfast
