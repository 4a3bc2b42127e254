/// Property: decode, encode, decode gives the same signatures; and what the fuzzer makes up never counts as
/// signed by two of three strangers, whatever the tree.
#include "base/check.h"
#include "core/manifest.h"
#include "core/multi_signature.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  if (size == 0) return 0;
  std::uint64_t const version = data[0] % 2;
  ByteView const input(data + 1, size - 1);

  Result<core::MultiSignature> const multi = core::decode_multi_signature(input, version);
  if (multi) {
    core::MultiSignature expected = *multi;
    for (core::MultiSignature::Proof& proof : expected.proofs) {
      if (proof.patch != 0) continue;  // An empty patch is written as none.
      proof.patch_start = 0;
      proof.patch_nodes.clear();
    }
    Result<core::MultiSignature> const again =
        core::decode_multi_signature(core::encode(*multi, version), version);
    HOLDFAST_CHECK(again.ok() && *again == expected);
  }

  core::Manifest manifest;
  manifest.version = version;
  manifest.allow_patch = true;
  manifest.quorum = 2;
  for (Byte const seed : {Byte{1}, Byte{2}, Byte{3}}) {
    Seed writer;
    writer.bytes.fill(seed);
    manifest.signers.push_back(
        {.signature_namespace = {}, .public_key = KeyPair::from_seed(writer).public_key});
  }
  Bytes const bytes = core::encode(manifest);
  Result<core::Verifier> const verifier =
      core::Verifier::from_manifest(core::key_of_manifest(bytes), bytes);
  HOLDFAST_CHECK(verifier.ok());
  merkle::Node const root{.index = TreeIndex(3), .size = 16, .hash = {}};
  core::SignedTree const tree{.fork = 0, .length = 4, .roots = {&root, 1}};
  HOLDFAST_CHECK(!verifier->verify(tree, input).ok());
  return 0;
}
