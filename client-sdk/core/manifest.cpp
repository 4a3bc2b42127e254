#include "core/manifest.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/decoder.h"
#include "codec/encoder.h"
#include "core/multi_signature.h"
#include "merkle/tree.h"

namespace holdfast::core {

namespace {

constexpr std::uint64_t kVersionMax = 3;
constexpr std::uint64_t kAllowPatch = 1;
constexpr std::uint64_t kPrologue = 2;
constexpr std::uint64_t kLinked = 4;
constexpr std::uint64_t kUserData = 8;

// Kinds of a version 0 manifest.
constexpr std::uint64_t kStaticV0 = 0;
constexpr std::uint64_t kSingleV0 = 1;
constexpr std::uint64_t kMultiV0 = 2;

constexpr std::size_t kSignerBytes = 1 + Hash::kSize + PublicKey::kSize;

// Which part of the namespace "hypercore" is for what. Source: SPEC section 2.
Hash const& tree_namespace() {
  static Hash const kValue = crypto_namespace("hypercore", 0);
  return kValue;
}
Hash const& manifest_namespace() {
  static Hash const kValue = crypto_namespace("hypercore", 3);
  return kValue;
}
Hash const& default_namespace() {
  static Hash const kValue = crypto_namespace("hypercore", 4);
  return kValue;
}

void write_signer(Encoder& out, Manifest::Signer const& signer) {
  out.write_uint(0).write_raw(signer.signature_namespace.view());  // 0: ed25519
  out.write_raw(signer.public_key.view());
}

void write_signers(Encoder& out, std::vector<Manifest::Signer> const& signers) {
  out.write_uint(signers.size());
  for (Manifest::Signer const& signer : signers) write_signer(out, signer);
}

Manifest::Signer read_signer(Decoder& in) {
  if (in.read_uint() != 0) in.fail(ErrorCode::Malformed, "unknown kind of signature");
  Manifest::Signer signer;
  signer.signature_namespace = in.read_fixed<Hash>();
  signer.public_key = in.read_fixed<PublicKey>();
  return signer;
}

std::vector<Manifest::Signer> read_signers(Decoder& in, ManifestLimits const& limits) {
  std::size_t const count = in.read_count(limits.signers_max, kSignerBytes);
  std::vector<Manifest::Signer> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(read_signer(in));
  return out;
}

bool is_plain_single(Manifest const& manifest) {
  return manifest.quorum == 1 && manifest.signers.size() == 1 && !manifest.allow_patch;
}

void write_v0(Encoder& out, Manifest const& manifest) {
  out.write_uint(0);  // blake2b
  if (manifest.prologue) {
    out.write_uint(kStaticV0).write_raw(manifest.prologue->tree_hash.view());
  } else if (is_plain_single(manifest)) {
    out.write_uint(kSingleV0);
    write_signer(out, manifest.signers[0]);
  } else {
    out.write_uint(kMultiV0).write_uint(manifest.allow_patch ? kAllowPatch : 0);
    out.write_uint(manifest.quorum);
    write_signers(out, manifest.signers);
  }
}

void read_hash_kind(Decoder& in) {
  if (in.read_uint() != 0) in.fail(ErrorCode::Malformed, "unknown kind of hash");
}

void read_v0(Decoder& in, ManifestLimits const& limits, Manifest& manifest) {
  read_hash_kind(in);
  switch (in.read_uint()) {
    case kStaticV0:
      manifest.quorum = 0;
      manifest.prologue = {.tree_hash = in.read_fixed<Hash>(), .length = 0};
      return;
    case kSingleV0:
      manifest.signers.push_back(read_signer(in));
      return;
    case kMultiV0:
      manifest.allow_patch = (in.read_uint() & kAllowPatch) != 0;
      manifest.quorum = in.read_uint();
      manifest.signers = read_signers(in, limits);
      return;
    default:
      in.fail(ErrorCode::Malformed, "unknown kind of manifest");
  }
}

void read_v1(Decoder& in, ManifestLimits const& limits, Manifest& manifest) {
  std::uint64_t const flags = in.read_uint();
  manifest.allow_patch = (flags & kAllowPatch) != 0;
  read_hash_kind(in);
  manifest.quorum = in.read_uint();
  manifest.signers = read_signers(in, limits);
  if ((flags & kPrologue) != 0) {
    Manifest::Prologue prologue;
    prologue.tree_hash = in.read_fixed<Hash>();
    prologue.length = in.read_uint();
    manifest.prologue = prologue;
  }
  if ((flags & kLinked) != 0) {
    std::size_t const count = in.read_count(limits.linked_max, CoreKey::kSize);
    std::vector<CoreKey>& linked = manifest.linked.emplace();
    linked.reserve(count);
    for (std::size_t i = 0; i < count; ++i) linked.push_back(in.read_fixed<CoreKey>());
  }
  if ((flags & kUserData) != 0) manifest.user_data = to_bytes(in.read_buffer(limits.bytes_max));
}

void write_v1(Encoder& out, Manifest const& manifest) {
  out.write_uint((manifest.allow_patch ? kAllowPatch : 0) | (manifest.prologue ? kPrologue : 0) |
                 (manifest.linked ? kLinked : 0) | (manifest.user_data ? kUserData : 0));
  out.write_uint(0);  // blake2b
  out.write_uint(manifest.quorum);
  write_signers(out, manifest.signers);
  if (manifest.prologue) {
    out.write_raw(manifest.prologue->tree_hash.view()).write_uint(manifest.prologue->length);
  }
  if (manifest.linked) {
    out.write_uint(manifest.linked->size());
    for (CoreKey const& key : *manifest.linked) out.write_raw(key.view());
  }
  if (manifest.user_data) out.write_buffer(*manifest.user_data);
}

/// The tree that a patch's signer signed: longer by `blocks`, of which `nodes` has what is missing.
/// Returns: nothing if a node is missing or does not fit.
std::optional<merkle::RootList> patched(SignedTree const& tree, std::uint64_t blocks,
                                        std::vector<merkle::Node> const& nodes) {
  if (tree.length > merkle::kLengthMax || blocks > merkle::kLengthMax - tree.length) {
    return std::nullopt;
  }
  merkle::RootList out(std::vector<merkle::Node>(tree.roots.begin(), tree.roots.end()));
  std::vector<merkle::Node> parents;
  for (TreeIndex const index : merkle::cover(tree.length, tree.length + blocks)) {
    auto const node = std::ranges::find(nodes, index, &merkle::Node::index);
    if (node == nodes.end() || !out.push(*node, parents)) return std::nullopt;
  }
  return out;
}

}  // namespace

Manifest single_signer_manifest(PublicKey const& writer) {
  Manifest manifest;
  manifest.signers.push_back({.signature_namespace = default_namespace(), .public_key = writer});
  return manifest;
}

Bytes encode(Manifest const& manifest) {
  Encoder out;
  out.write_uint(manifest.version);
  if (manifest.version == 0) {
    write_v0(out, manifest);
  } else {
    write_v1(out, manifest);
  }
  return std::move(out).take();
}

Result<Manifest> decode_manifest(ByteView bytes, ManifestLimits const& limits) {
  if (bytes.size() > limits.bytes_max) {
    return Unexpected(ErrorCode::LimitExceeded, "manifest too large");
  }
  Decoder in(bytes);
  Manifest manifest;
  manifest.version = in.read_uint();
  if (manifest.version > kVersionMax) in.fail(ErrorCode::Malformed, "unknown manifest version");
  if (manifest.version == 0) {
    read_v0(in, limits, manifest);
  } else {
    read_v1(in, limits, manifest);
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  // The key is a hash of these bytes, and JavaScript peers hash what they encode themselves: only
  // their spelling can be right.
  if (!std::ranges::equal(encode(manifest), bytes)) {
    return Unexpected(ErrorCode::Malformed, "manifest is not in its canonical form");
  }
  return manifest;
}

CoreKey key_of_manifest(ByteView bytes) {
  return CoreKey{blake2b({manifest_namespace().view(), bytes}).bytes};
}

CoreKey key_of(Manifest const& manifest) { return key_of_manifest(encode(manifest)); }

Verifier Verifier::compat(CoreKey const& key) {
  return {key, single_signer_manifest(PublicKey{key.bytes}), true};
}

Result<Verifier> Verifier::from_manifest(CoreKey const& key, ByteView bytes) {
  Result<Manifest> manifest = decode_manifest(bytes);
  if (!manifest) return Unexpected(manifest.error());
  if (manifest->signers.size() == 1 && manifest->signers[0].public_key.bytes == key.bytes) {
    return compat(key);
  }
  if (key_of_manifest(bytes) != key) {
    return Unexpected(ErrorCode::BadProof, "manifest belongs to another core");
  }
  return Verifier(key, *std::move(manifest), false);
}

Bytes Verifier::signable(SignedTree const& tree, std::size_t signer) const {
  HOLDFAST_CHECK(signer < manifest_.signers.size());
  Encoder out;
  out.write_raw(tree_namespace().view());
  if (!compat_) {
    out.write_raw(manifest_.version == 0 ? manifest_.signers[signer].signature_namespace.view()
                                         : key_.view());
  }
  out.write_raw(merkle::tree_hash(tree.roots).view());
  out.write_u64le(tree.length).write_u64le(tree.fork);
  return std::move(out).take();
}

Result<void> Verifier::verify(SignedTree const& tree, ByteView signature) const {
  bool valid = false;
  if (compat_ ||
      (manifest_.version == 0 && manifest_.signers.size() == 1 && !manifest_.allow_patch)) {
    valid = verify_plain(tree, signature);
  } else if (manifest_.version > 0 && tree.length <= prologue_length() && manifest_.prologue) {
    valid = tree.length == manifest_.prologue->length &&
            merkle::tree_hash(tree.roots) == manifest_.prologue->tree_hash;
  } else {
    valid = verify_multi(tree, signature);
  }
  if (!valid) return Unexpected(ErrorCode::BadSignature, "log is not signed by its writers");
  return {};
}

bool Verifier::verify_plain(SignedTree const& tree, ByteView bytes) const {
  std::optional<Signature> const signature = Signature::from(bytes);
  return signature &&
         holdfast::verify(manifest_.signers[0].public_key, signable(tree, 0), *signature);
}

bool Verifier::verify_multi(SignedTree const& tree, ByteView bytes) const {
  if (manifest_.quorum == 0) return false;
  Result<MultiSignature> const multi = decode_multi_signature(bytes, manifest_.version);
  if (!multi || multi->proofs.size() < manifest_.quorum) return false;

  std::vector<bool> tried(manifest_.signers.size(), false);
  for (std::size_t i = 0; i < manifest_.quorum; ++i) {
    MultiSignature::Proof const& proof = multi->proofs[i];
    if (proof.signer >= tried.size() || tried[proof.signer]) return false;
    tried[proof.signer] = true;

    std::optional<merkle::RootList> longer;
    SignedTree signed_tree = tree;
    if (proof.patch > 0 && manifest_.allow_patch) {
      longer = patched(tree, proof.patch, multi->nodes);
      if (!longer) return false;
      signed_tree.length = longer->length();
      signed_tree.roots = longer->nodes();
    }
    PublicKey const& key = manifest_.signers[proof.signer].public_key;
    if (!holdfast::verify(key, signable(signed_tree, proof.signer), proof.signature)) return false;
  }
  return true;
}

}  // namespace holdfast::core
