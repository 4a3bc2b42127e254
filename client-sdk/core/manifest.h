#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "merkle/node.h"

namespace holdfast::core {

/// Bounds of a manifest from a stranger. Source: SPEC section 12.
struct ManifestLimits {
  std::size_t bytes_max = 64 * 1024;
  std::size_t signers_max = 64;
  std::size_t linked_max = 1'024;
};

/// Who may sign a core, and with what it starts: what a core key is the hash of. Source: SPEC 3.1.
struct Manifest {
  struct Signer {
    Hash signature_namespace;  ///< Only signed over in version 0.
    PublicKey public_key;
    friend bool operator==(Signer const&, Signer const&) = default;
  };
  /// The first blocks, vouched for by their tree hash instead of a signature.
  struct Prologue {
    Hash tree_hash;
    std::uint64_t length = 0;  ///< Blocks.
    friend bool operator==(Prologue const&, Prologue const&) = default;
  };

  std::uint64_t version = 1;
  bool allow_patch = false;
  std::uint64_t quorum = 1;
  std::vector<Signer> signers;
  std::optional<Prologue> prologue;
  std::optional<std::vector<CoreKey>> linked;  ///< Other cores that belong to this one.
  std::optional<Bytes> user_data;

  friend bool operator==(Manifest const&, Manifest const&) = default;
};

/// The manifest of a core with one writer, as Hypercore 11 makes it.
Manifest single_signer_manifest(PublicKey const& writer);

/// Requires: a manifest that decode_manifest could return.
Bytes encode(Manifest const& manifest);
/// Errors: Malformed (cut short, unknown version or kind, not the one spelling that encode()
/// gives); LimitExceeded.
Result<Manifest> decode_manifest(ByteView bytes, ManifestLimits const& limits = {});

/// The key of the core with this manifest. `bytes`: encoded, verbatim.
CoreKey key_of_manifest(ByteView bytes);
CoreKey key_of(Manifest const& manifest);

/// A state of a log, as signatures see it.
struct SignedTree {
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  std::span<merkle::Node const> roots;  ///< Borrowed. cover(0, length), left to right.
};

/// Judges signatures of one core.
///
/// A *compat* core (the default of Hypercore 10) has no manifest: its key is the public key of its
/// only signer. Thread-safety: const methods from any thread. Source: SPEC 3.4.
class Verifier {
 public:
  static Verifier compat(CoreKey const& key);
  /// A manifest whose only signer is the core key itself is taken as compat.
  /// Errors: BadProof if `bytes` are not the manifest of `key`; those of decode_manifest.
  static Result<Verifier> from_manifest(CoreKey const& key, ByteView bytes);

  /// Errors: BadSignature, also for a multi-signature that does not decode.
  Result<void> verify(SignedTree const& tree, ByteView signature) const;

  /// The bytes that signer number `signer` signs. Requires: signer < number of signers.
  Bytes signable(SignedTree const& tree, std::size_t signer) const;

  bool is_compat() const { return compat_; }
  Manifest const& manifest() const { return manifest_; }
  std::optional<Manifest::Prologue> const& prologue() const { return manifest_.prologue; }
  /// Blocks that can only come as a whole; 0 without a prologue.
  std::uint64_t prologue_length() const {
    return manifest_.prologue ? manifest_.prologue->length : 0;
  }

 private:
  Verifier(CoreKey const& key, Manifest manifest, bool compat)
      : key_(key), manifest_(std::move(manifest)), compat_(compat) {}

  bool verify_plain(SignedTree const& tree, ByteView signature) const;
  bool verify_multi(SignedTree const& tree, ByteView bytes) const;

  CoreKey key_;
  Manifest manifest_;
  bool compat_;
};

}  // namespace holdfast::core
