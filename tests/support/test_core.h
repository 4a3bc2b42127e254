#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "core/commit_builder.h"
#include "core/manifest.h"
#include "core/multi_signature.h"
#include "merkle/make_proof.h"
#include "merkle/tree.h"
#include "support/memory_view.h"

namespace holdfast::testing {

/// A core with one writer, whose key pair is known, held in full: the honest source of proofs in
/// tests.
class TestCore {
 public:
  enum class Kind : std::uint8_t { Manifest, Compat };

  explicit TestCore(Byte seed, Kind kind = Kind::Manifest) : kind_(kind) {
    Seed writer;
    writer.bytes.fill(seed);
    pair_ = KeyPair::from_seed(writer);
    if (kind == Kind::Manifest) {
      manifest_ = core::encode(core::single_signer_manifest(pair_.public_key));
      key_ = core::key_of_manifest(manifest_);
      view_.set_manifest(manifest_);
    } else {
      key_ = CoreKey{pair_.public_key.bytes};
    }
  }

  void append(Bytes value) {
    BlockIndex const index(roots_.length());
    merkle::Node const leaf = merkle::leaf_node(index, value);
    std::vector<merkle::Node> made{leaf};
    HOLDFAST_CHECK(roots_.push(leaf, made));
    for (merkle::Node const& node : made) view_.nodes.insert_or_assign(node.index, node);
    view_.blocks.insert_or_assign(index, std::move(value));
    sign();
  }

  /// A fork, as the writer makes one.
  void truncate(std::uint64_t length) {
    std::vector<merkle::Node> kept;
    for (TreeIndex const index : merkle::cover(0, length)) kept.push_back(view_.nodes.at(index));
    view_.apply({.core = key_, .truncate_to = length});
    roots_ = merkle::RootList(std::move(kept));
    ++fork_;
    sign();
  }

  /// What an honest peer answers, block value and manifest included.
  Result<merkle::Proof> prove(merkle::ProofRequest const& request) const {
    merkle::ProofSource const source{
        .fork = fork_, .length = roots_.length(), .signature = view_.head().signature};
    Result<merkle::Proof> proof = merkle::make_proof(view_, source, request);
    if (!proof) return proof;
    if (proof->block) proof->block->value = view_.blocks.at(proof->block->index);
    if (request.manifest && !manifest_.empty()) proof->manifest = manifest_;
    return proof;
  }

  CoreKey const& key() const { return key_; }
  Bytes const& manifest() const { return manifest_; }
  MemoryView const& view() const { return view_; }
  MemoryView& view() { return view_; }
  KeyPair const& pair() const { return pair_; }
  std::uint64_t fork() const { return fork_; }
  std::uint64_t length() const { return roots_.length(); }
  merkle::RootList const& roots() const { return roots_; }

 private:
  void sign() {
    core::SignedTree const tree{.fork = fork_, .length = roots_.length(), .roots = roots_.nodes()};
    bool const compat = kind_ == Kind::Compat;
    Result<core::Verifier> const verifier = core::Verifier::from_manifest(key_, manifest_);
    Bytes const message =
        compat ? core::Verifier::compat(key_).signable(tree, 0) : verifier->signable(tree, 0);
    Signature const plain = holdfast::sign(pair_, message);
    core::MultiSignature multi;
    multi.proofs.push_back(
        {.signer = 0, .signature = plain, .patch = 0, .patch_start = 0, .patch_nodes = {}});
    view_.set_head({.fork = fork_,
                    .length = roots_.length(),
                    .signature = compat ? to_bytes(plain.view()) : core::encode(multi, 1)});
  }

  Kind kind_;
  KeyPair pair_;
  Bytes manifest_;
  CoreKey key_;
  std::uint64_t fork_ = 0;
  merkle::RootList roots_;
  MemoryView view_;
};

}  // namespace holdfast::testing
