#include "core/manifest.h"

#include <gtest/gtest.h>

#include "core/multi_signature.h"
#include "merkle/tree.h"
#include "support/hypercore_vectors.h"

namespace holdfast::core {
namespace {

using holdfast::testing::bytes_of;
using holdfast::testing::fixed_of;
using holdfast::testing::hypercore_vectors;
using holdfast::testing::nodes_of;

TEST(Manifest, DecodesEncodesAndNamesCoresAsJavaScriptDoes) {
  nlohmann::json const vectors = hypercore_vectors("keys.json");
  for (auto const& row : vectors.at("manifests")) {
    SCOPED_TRACE(row.at("label").get<std::string>());
    Bytes const encoded = bytes_of(row.at("encoded"));
    Result<Manifest> const manifest = decode_manifest(encoded);
    ASSERT_TRUE(manifest.ok()) << to_string(manifest.error());
    EXPECT_EQ(manifest->version, row.at("version").get<std::uint64_t>());
    EXPECT_EQ(manifest->allow_patch, row.at("allowPatch").get<bool>());
    EXPECT_EQ(manifest->quorum, row.at("quorum").get<std::uint64_t>());
    ASSERT_EQ(manifest->signers.size(), row.at("signers").size());
    for (std::size_t i = 0; i < manifest->signers.size(); ++i) {
      auto const& signer = row.at("signers")[i];
      EXPECT_EQ(manifest->signers[i].public_key, fixed_of<PublicKey>(signer.at("publicKey")));
      EXPECT_EQ(manifest->signers[i].signature_namespace, fixed_of<Hash>(signer.at("namespace")));
    }
    ASSERT_EQ(manifest->prologue.has_value(), !row.at("prologue").is_null());
    if (manifest->prologue) {
      EXPECT_EQ(manifest->prologue->tree_hash, fixed_of<Hash>(row.at("prologue").at("hash")));
      EXPECT_EQ(manifest->prologue->length, row.at("prologue").at("length").get<std::uint64_t>());
    }
    ASSERT_EQ(manifest->linked.has_value(), !row.at("linked").is_null());
    ASSERT_EQ(manifest->user_data.has_value(), !row.at("userData").is_null());
    if (manifest->user_data) {
      EXPECT_EQ(*manifest->user_data, bytes_of(row.at("userData")));
    }
    EXPECT_EQ(encode(*manifest), encoded);
    EXPECT_EQ(key_of(*manifest), fixed_of<CoreKey>(row.at("key")));
  }
}

TEST(Manifest, SingleSignerIsTheDefaultOfHypercore11) {
  nlohmann::json const row = hypercore_vectors("keys.json").at("manifests")[0];
  PublicKey const writer = fixed_of<PublicKey>(row.at("signers")[0].at("publicKey"));
  EXPECT_EQ(encode(single_signer_manifest(writer)), bytes_of(row.at("encoded")));
}

TEST(Manifest, RefusesEveryTruncationAndAnythingBehind) {
  nlohmann::json const vectors = hypercore_vectors("keys.json");
  for (auto const& row : vectors.at("manifests")) {
    Bytes const encoded = bytes_of(row.at("encoded"));
    for (std::size_t size = 0; size < encoded.size(); ++size) {
      EXPECT_FALSE(decode_manifest(ByteView(encoded).first(size)).ok());
    }
    Bytes longer = encoded;
    longer.push_back(0);
    EXPECT_FALSE(decode_manifest(longer).ok());
  }
}

TEST(Manifest, EveryFlippedByteIsRefusedOrAnotherCore) {
  nlohmann::json const vectors = hypercore_vectors("keys.json");
  for (auto const& row : vectors.at("manifests")) {
    Bytes const encoded = bytes_of(row.at("encoded"));
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      Bytes flipped = encoded;
      flipped[i] ^= 0x01;
      Result<Manifest> const manifest = decode_manifest(flipped);
      if (manifest) {
        EXPECT_NE(key_of(*manifest), fixed_of<CoreKey>(row.at("key")));
      }
    }
  }
}

TEST(Manifest, RefusesMoreSignersThanItsLimit) {
  Manifest manifest;
  manifest.signers.resize(65);
  Result<Manifest> const refused = decode_manifest(encode(manifest));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  manifest.signers.resize(64);
  EXPECT_TRUE(decode_manifest(encode(manifest)).ok());
}

TEST(Manifest, RefusesASpellingThatIsNotTheShortest) {
  Bytes spelled = bytes_of(hypercore_vectors("keys.json").at("manifests")[0].at("encoded"));
  ASSERT_EQ(spelled[3], 1);  // The quorum.
  spelled[3] = 0xfd;
  spelled.insert(spelled.begin() + 4, {1, 0});
  Result<Manifest> const refused = decode_manifest(spelled);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::Malformed);
}

TEST(Verifier, RefusesTheManifestOfAnotherCore) {
  nlohmann::json const rows = hypercore_vectors("keys.json").at("manifests");
  CoreKey const key = fixed_of<CoreKey>(rows[0].at("key"));
  EXPECT_TRUE(Verifier::from_manifest(key, bytes_of(rows[0].at("encoded"))).ok());
  Result<Verifier> const other = Verifier::from_manifest(key, bytes_of(rows[1].at("encoded")));
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::BadProof);
}

TEST(Verifier, ManifestWhoseOnlySignerIsTheKeyIsCompat) {
  nlohmann::json const row = hypercore_vectors("keys.json").at("manifests")[0];
  CoreKey const key = fixed_of<CoreKey>(row.at("signers")[0].at("publicKey"));
  Result<Verifier> const verifier = Verifier::from_manifest(key, bytes_of(row.at("encoded")));
  ASSERT_TRUE(verifier.ok());
  EXPECT_TRUE(verifier->is_compat());
}

TEST(Verifier, SignablesAndSignaturesAgreeWithJavaScriptForEveryKindOfCore) {
  auto const& vectors = hypercore_vectors("merkle.json");
  nlohmann::json const manifests = hypercore_vectors("keys.json").at("manifests");
  CoreKey const compat = fixed_of<CoreKey>(vectors.at("keys").at("compat"));
  std::map<std::string, Verifier> const verifiers{
      {"v1", *Verifier::from_manifest(fixed_of<CoreKey>(vectors.at("keys").at("v1")),
                                      bytes_of(vectors.at("manifestV1")))},
      {"v0", *Verifier::from_manifest(fixed_of<CoreKey>(vectors.at("keys").at("v0")),
                                      bytes_of(manifests[1].at("encoded")))},
      {"compat", Verifier::compat(compat)}};
  for (auto const& row : vectors.at("rows")) {
    std::vector<merkle::Node> const roots = nodes_of(row.at("roots"));
    SignedTree tree{.fork = 0, .length = row.at("length").get<std::uint64_t>(), .roots = roots};
    for (auto const& [name, verifier] : verifiers) {
      SCOPED_TRACE(name);
      EXPECT_EQ(verifier.signable(tree, 0), bytes_of(row.at(name).at("signable")));
      if (row.at(name).at("signature").is_null()) continue;
      Bytes const signature = bytes_of(row.at(name).at("signature"));
      EXPECT_TRUE(verifier.verify(tree, signature).ok());
      SignedTree other = tree;
      other.fork = 1;
      EXPECT_FALSE(verifier.verify(other, signature).ok());
      EXPECT_FALSE(verifier.verify(tree, {}).ok());
    }
  }
}

struct MultiCase {
  std::string label;
  Verifier verifier;
  std::vector<merkle::Node> roots;
  SignedTree tree;
  Bytes signature;
};

std::vector<MultiCase> multi_cases() {
  std::vector<MultiCase> out;
  nlohmann::json const vectors = hypercore_vectors("multisig.json");
  for (auto const& row : vectors.at("cases")) {
    out.push_back({.label = row.at("label").get<std::string>(),
                   .verifier = *Verifier::from_manifest(fixed_of<CoreKey>(row.at("key")),
                                                        bytes_of(row.at("manifest"))),
                   .roots = nodes_of(row.at("roots")),
                   .tree = {.fork = row.at("fork").get<std::uint64_t>(),
                            .length = row.at("length").get<std::uint64_t>(),
                            .roots = {}},
                   .signature = bytes_of(row.at("signature"))});
  }
  for (MultiCase& one : out) one.tree.roots = one.roots;
  return out;
}

TEST(Verifier, TakesEveryMultiSignatureThatJavaScriptMade) {
  std::vector<MultiCase> const cases = multi_cases();
  ASSERT_EQ(cases.size(), 3U);
  for (MultiCase const& one : cases) {
    SCOPED_TRACE(one.label);
    EXPECT_TRUE(one.verifier.verify(one.tree, one.signature).ok());
  }
}

TEST(Verifier, MultiSignatureDecodesAndEncodesToTheSameBytes) {
  for (MultiCase const& one : multi_cases()) {
    if (one.signature.empty()) continue;
    SCOPED_TRACE(one.label);
    std::uint64_t const version = one.verifier.manifest().version;
    Result<MultiSignature> const multi = decode_multi_signature(one.signature, version);
    ASSERT_TRUE(multi.ok());
    EXPECT_EQ(encode(*multi, version), one.signature);
  }
}

TEST(Verifier, RefusesEveryFlippedByteOfAMultiSignature) {
  for (MultiCase const& one : multi_cases()) {
    if (one.signature.empty()) continue;
    SCOPED_TRACE(one.label);
    std::uint64_t const version = one.verifier.manifest().version;
    MultiSignature const good = *decode_multi_signature(one.signature, version);
    for (std::size_t i = 0; i < one.signature.size(); ++i) {
      Bytes flipped = one.signature;
      flipped[i] ^= 0x01;
      Result<MultiSignature> const multi = decode_multi_signature(flipped, version);
      // Version 0 repeats where the patch starts and which nodes are its own; nobody reads it (SPEC 3.4).
      bool same =
          multi.ok() && multi->proofs.size() == good.proofs.size() && multi->nodes == good.nodes;
      for (std::size_t p = 0; same && p < good.proofs.size(); ++p) {
        same = multi->proofs[p].signer == good.proofs[p].signer &&
               multi->proofs[p].signature == good.proofs[p].signature &&
               multi->proofs[p].patch == good.proofs[p].patch;
      }
      EXPECT_EQ(one.verifier.verify(one.tree, flipped).ok(), same) << "byte " << i;
    }
  }
}

TEST(Verifier, OneSignerDoesNotCountTwice) {
  for (MultiCase const& one : multi_cases()) {
    if (one.signature.empty()) continue;
    std::uint64_t const version = one.verifier.manifest().version;
    MultiSignature multi = *decode_multi_signature(one.signature, version);
    multi.proofs[1] = multi.proofs[0];
    EXPECT_FALSE(one.verifier.verify(one.tree, encode(multi, version)).ok());
    multi.proofs.pop_back();
    EXPECT_FALSE(one.verifier.verify(one.tree, encode(multi, version)).ok());
    multi.proofs[0].signer = 3;
    EXPECT_FALSE(one.verifier.verify(one.tree, encode(multi, version)).ok());
  }
}

TEST(Verifier, PrologueVouchesForItsOwnTreeOnly) {
  std::vector<MultiCase> const cases = multi_cases();
  MultiCase const& one = cases.at(2);
  SignedTree shorter = one.tree;
  shorter.length = 4;
  shorter.roots = shorter.roots.first(1);
  EXPECT_FALSE(one.verifier.verify(shorter, {}).ok());
  std::vector<merkle::Node> other = one.roots;
  other[0].hash.bytes[0] ^= 1;
  SignedTree changed = one.tree;
  changed.roots = other;
  EXPECT_FALSE(one.verifier.verify(changed, {}).ok());
}

TEST(MultiSignature, HugeCountsAreRefusedBeforeAnythingIsAllocated) {
  Bytes const many_proofs{0xfe, 0xff, 0xff, 0xff, 0x0f};
  EXPECT_FALSE(decode_multi_signature(many_proofs, 1).ok());
  Bytes const many_nodes{0x00, 0xfe, 0xff, 0xff, 0xff, 0x0f};
  EXPECT_FALSE(decode_multi_signature(many_nodes, 1).ok());
}

}  // namespace
}  // namespace holdfast::core
