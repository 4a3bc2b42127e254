#include "core/multi_signature.h"

#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::core {

namespace {

constexpr std::uint64_t kPatchFlag = 1;
constexpr std::size_t kProofBytesMin = 2 + Signature::kSize;
constexpr std::size_t kNodeBytesMin = 2 + Hash::kSize;

void write_proof(Encoder& out, MultiSignature::Proof const& proof) {
  out.write_uint(proof.signer).write_raw(proof.signature.view()).write_uint(proof.patch);
}

void write_proof_v0(Encoder& out, MultiSignature::Proof const& proof) {
  out.write_uint(proof.patch > 0 ? kPatchFlag : 0).write_uint(proof.signer);
  out.write_raw(proof.signature.view());
  if (proof.patch == 0) return;
  out.write_uint(proof.patch_start).write_uint(proof.patch).write_uint(proof.patch_nodes.size());
  for (std::uint64_t const index : proof.patch_nodes) out.write_uint(index);
}

MultiSignature::Proof read_proof(Decoder& in) {
  MultiSignature::Proof proof;
  proof.signer = in.read_uint();
  proof.signature = in.read_fixed<Signature>();
  proof.patch = in.read_uint();
  return proof;
}

MultiSignature::Proof read_proof_v0(Decoder& in, MultiSignatureLimits const& limits) {
  MultiSignature::Proof proof;
  std::uint64_t const flags = in.read_uint();
  proof.signer = in.read_uint();
  proof.signature = in.read_fixed<Signature>();
  if ((flags & kPatchFlag) == 0) return proof;
  proof.patch_start = in.read_uint();
  proof.patch = in.read_uint();
  std::size_t const count = in.read_count(limits.nodes_max, 1);
  proof.patch_nodes.reserve(count);
  for (std::size_t i = 0; i < count; ++i) proof.patch_nodes.push_back(in.read_uint());
  return proof;
}

}  // namespace

Bytes encode(MultiSignature const& signature, std::uint64_t manifest_version) {
  Encoder out;
  out.write_uint(signature.proofs.size());
  for (MultiSignature::Proof const& proof : signature.proofs) {
    if (manifest_version == 0) {
      write_proof_v0(out, proof);
    } else {
      write_proof(out, proof);
    }
  }
  out.write_uint(signature.nodes.size());
  for (merkle::Node const& node : signature.nodes) {
    out.write_uint(node.index.value()).write_uint(node.size).write_raw(node.hash.view());
  }
  return std::move(out).take();
}

Result<MultiSignature> decode_multi_signature(ByteView bytes, std::uint64_t manifest_version,
                                              MultiSignatureLimits const& limits) {
  Decoder in(bytes);
  MultiSignature out;
  std::size_t const proofs = in.read_count(limits.proofs_max, kProofBytesMin);
  out.proofs.reserve(proofs);
  for (std::size_t i = 0; i < proofs && in.ok(); ++i) {
    out.proofs.push_back(manifest_version == 0 ? read_proof_v0(in, limits) : read_proof(in));
  }
  std::size_t const nodes = in.read_count(limits.nodes_max, kNodeBytesMin);
  out.nodes.reserve(nodes);
  for (std::size_t i = 0; i < nodes && in.ok(); ++i) {
    merkle::Node node;
    node.index = TreeIndex(in.read_uint());
    node.size = in.read_uint();
    node.hash = in.read_fixed<Hash>();
    out.nodes.push_back(node);
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace holdfast::core
