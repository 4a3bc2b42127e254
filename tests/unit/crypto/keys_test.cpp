#include "crypto/keys.h"

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "support/vectors.h"

namespace holdfast {
namespace {

using testing::hex_bytes;
using testing::hex_fixed;

class KeyVectors : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }
  nlohmann::json const vectors_ = testing::load_vectors("keys.json");
};

TEST_F(KeyVectors, Namespaces) {
  std::size_t compared = 0;
  for (auto const& [path, expected] : vectors_.at("namespaces").items()) {
    // "name/of/package/3/LABEL"
    std::size_t const label = path.rfind('/');
    std::size_t const index = path.rfind('/', label - 1);
    auto const number = static_cast<Byte>(std::stoi(path.substr(index + 1, label - index - 1)));
    EXPECT_EQ(crypto_namespace(path.substr(0, index), number), hex_fixed<Hash>(expected)) << path;
    ++compared;
  }
  EXPECT_EQ(compared, 10U);
}

TEST_F(KeyVectors, KeyPairs) {
  for (auto const& row : vectors_.at("keyPairs")) {
    KeyPair const pair = KeyPair::from_seed(hex_fixed<Seed>(row.at("seed")));
    EXPECT_EQ(pair.public_key.hex(), row.at("publicKey").get<std::string>());
    EXPECT_EQ(pair.secret_key.hex(), row.at("secretKey").get<std::string>());
  }
}

TEST_F(KeyVectors, HashesOfManifestsAreTheCoreKeys) {
  for (auto const& row : vectors_.at("manifests")) {
    EXPECT_EQ(blake2b({hex_bytes(row.at("hashInput"))}).hex(), row.at("key").get<std::string>());
  }
}

TEST_F(KeyVectors, DiscoveryKeys) {
  std::size_t compared = 0;
  auto const check = [&compared](nlohmann::json const& row) {
    EXPECT_EQ(discovery_key_of(hex_fixed<CoreKey>(row.at("key"))),
              hex_fixed<DiscoveryKey>(row.at("discoveryKey")));
    ++compared;
  };
  for (auto const& row : vectors_.at("manifests")) check(row);
  for (auto const& row : vectors_.at("corestore")) check(row);
  check(vectors_.at("compat"));
  EXPECT_EQ(compared, 14U);
}

TEST_F(KeyVectors, NamedCoresOfACorestore) {
  Hash const name_space = hex_fixed<Hash>(vectors_.at("namespaces").at("corestore/0/NS"));
  for (auto const& row : vectors_.at("corestore")) {
    Hash const seed = blake2b_keyed(hex_bytes(row.at("primaryKey")),
                                    {name_space.view(), hex_bytes(row.at("namespace")),
                                     as_bytes(row.at("name").get_ref<std::string const&>())});
    EXPECT_EQ(seed.hex(), row.at("seed").get<std::string>());
    EXPECT_EQ(KeyPair::from_seed(Seed{seed.bytes}).public_key.hex(),
              row.at("publicKey").get<std::string>());
  }
}

class Signatures : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }
  KeyPair const pair_ = KeyPair::from_seed(Seed{});
};

TEST_F(Signatures, VerifyForTheirMessageOnly) {
  Signature const signature = sign(pair_, as_bytes("message"));
  EXPECT_TRUE(verify(pair_.public_key, as_bytes("message"), signature));
  EXPECT_FALSE(verify(pair_.public_key, as_bytes("massage"), signature));
}

TEST_F(Signatures, DoNotSurviveAnyChangedByte) {
  Signature const signature = sign(pair_, as_bytes("message"));
  for (std::size_t i = 0; i < Signature::kSize; ++i) {
    Signature changed = signature;
    changed.bytes[i] ^= 1;
    ASSERT_FALSE(verify(pair_.public_key, as_bytes("message"), changed)) << i;
  }
}

TEST_F(Signatures, DoNotVerifyUnderAnotherKey) {
  Signature const signature = sign(pair_, as_bytes("message"));
  EXPECT_FALSE(verify(KeyPair::random().public_key, as_bytes("message"), signature));
}

TEST(Hash, IsTheSameHoweverItsInputIsCut) {
  EXPECT_EQ(blake2b({as_bytes("hold"), as_bytes("fast")}), blake2b({as_bytes("holdfast")}));
  EXPECT_NE(blake2b({as_bytes("holdfast")}), blake2b_keyed(as_bytes("k"), {as_bytes("holdfast")}));
}

TEST(Hash, Sha256OfAbcIsThatOfTheStandard) {
  EXPECT_EQ(sha256(as_bytes("abc")).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Hash, ComparesSecretsByContentAndLength) {
  EXPECT_TRUE(equal_in_constant_time(as_bytes("same"), as_bytes("same")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("same"), as_bytes("sane")));
  EXPECT_FALSE(equal_in_constant_time(as_bytes("same"), as_bytes("sam")));
}

TEST(Keyholder, IsDerivedFromTheProjectKeyAlone) {
  CoreKey key;
  EXPECT_EQ(keyholder_pair_of(key).public_key, keyholder_pair_of(key).public_key);
  CoreKey other;
  other.bytes[0] = 1;
  EXPECT_NE(keyholder_pair_of(key).public_key, keyholder_pair_of(other).public_key);
}

}  // namespace
}  // namespace holdfast
