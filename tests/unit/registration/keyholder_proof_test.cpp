#include "registration/keyholder_proof.h"

#include <gtest/gtest.h>

#include "golden.h"

namespace holdfast::registration {

namespace {

class KeyholderProofTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kExpires = 1'767'225'600;
  PublicKey const node_ = pair_of(1).public_key;
  DiscoveryKey const key_ = discovery_key_of(CoreKey{pair_of(2).public_key.bytes});
  KeyholderProof proof_ = make_keyholder_proof(pair_of(9), node_, key_, kExpires);
};

TEST_F(KeyholderProofTest, FollowsTheVectors) {
  nlohmann::json const vectors = golden("keyholder_proofs.json");
  for (nlohmann::json const& row : vectors.at("proofs")) {
    auto const project = *CoreKey::from_hex(text_of(row, "project_key"));
    auto const key = discovery_key_of(project);
    EXPECT_EQ(key.hex(), text_of(row, "registry_key"));
    auto const node = *PublicKey::from_hex(text_of(row, "replicator"));
    std::uint64_t const expires = row.at("json").at("expires").get<std::uint64_t>();
    EXPECT_EQ(to_hex(proof_message(node, key, expires).view()), text_of(row, "message"));
    KeyholderProof const proof =
        make_keyholder_proof(keyholder_pair_of(project), node, key, expires);
    EXPECT_EQ(proof.keyholder.hex(), text_of(row.at("json"), "keyholder"));
    EXPECT_EQ(proof.signature.hex(), text_of(row.at("json"), "signature"));
    EXPECT_TRUE(check_keyholder_proof(proof, node, key, expires - 1).ok());
  }
}

TEST_F(KeyholderProofTest, CountsUntilTheSecondItExpires) {
  EXPECT_TRUE(check_keyholder_proof(proof_, node_, key_, kExpires - 1).ok());
  EXPECT_EQ(check_keyholder_proof(proof_, node_, key_, kExpires).error().code, ErrorCode::Denied);
}

TEST_F(KeyholderProofTest, IsNoGoodForAnotherNode) {
  EXPECT_EQ(check_keyholder_proof(proof_, pair_of(3).public_key, key_, 1).error().code,
            ErrorCode::BadSignature);
}

TEST_F(KeyholderProofTest, IsNoGoodForAnotherKey) {
  EXPECT_EQ(check_keyholder_proof(proof_, node_, DiscoveryKey{}, 1).error().code,
            ErrorCode::BadSignature);
}

TEST_F(KeyholderProofTest, CannotBeProlonged) {
  proof_.expires_unix_s += 1;
  EXPECT_EQ(check_keyholder_proof(proof_, node_, key_, 1).error().code, ErrorCode::BadSignature);
}

TEST_F(KeyholderProofTest, CannotBeClaimedByAnotherKeyholder) {
  proof_.keyholder = pair_of(8).public_key;
  EXPECT_EQ(check_keyholder_proof(proof_, node_, key_, 1).error().code, ErrorCode::BadSignature);
}

}  // namespace

}  // namespace holdfast::registration
