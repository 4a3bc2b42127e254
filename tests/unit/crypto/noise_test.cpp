#include "crypto/noise.h"

#include <iterator>

#include <gtest/gtest.h>

#include "support/vectors.h"

namespace holdfast {
namespace {

using testing::hex_bytes;
using testing::hex_fixed;

constexpr std::size_t kFrameHeaderBytes = 3;

class NoiseVectors : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }

  KeyPair pair_of(char const* who, char const* which) const {
    return KeyPair::from_seed(hex_fixed<Seed>(vectors_.at(who).at(which)));
  }
  NoiseHandshake initiator() const {
    return {NoiseRole::Initiator, pair_of("initiator", "staticSeed"),
            pair_of("initiator", "ephemeralSeed")};
  }
  NoiseHandshake responder() const {
    return {NoiseRole::Responder, pair_of("responder", "staticSeed"),
            pair_of("responder", "ephemeralSeed")};
  }
  Bytes message(char const* name) const {
    Bytes const framed = hex_bytes(vectors_.at("framedMessages").at(name));
    return Bytes(framed.begin() + kFrameHeaderBytes, framed.end());
  }
  static void expect_state(NoiseHandshake const& noise, nlohmann::json const& expected) {
    EXPECT_EQ(noise.symmetric().hash().hex(), expected.at("h").get<std::string>());
    EXPECT_EQ(noise.symmetric().chaining_key().hex(), expected.at("ck").get<std::string>());
  }

  nlohmann::json const vectors_ = testing::load_vectors("noise-secretstream.json");
};

TEST_F(NoiseVectors, KeyPairs) {
  for (char const* who : {"initiator", "responder"}) {
    EXPECT_EQ(pair_of(who, "staticSeed").public_key.hex(),
              vectors_.at(who).at("staticPublic").get<std::string>());
    EXPECT_EQ(pair_of(who, "staticSeed").secret_key.hex(),
              vectors_.at(who).at("staticSecret").get<std::string>());
    EXPECT_EQ(pair_of(who, "ephemeralSeed").public_key.hex(),
              vectors_.at(who).at("ephemeralPublic").get<std::string>());
  }
}

TEST_F(NoiseVectors, DiffieHellmanFromBothSides) {
  auto const& dh = vectors_.at("dh");
  auto const check = [](KeyPair const& a, KeyPair const& b, nlohmann::json const& expected) {
    EXPECT_EQ(noise_dh(a, b.public_key)->hex(), expected.get<std::string>());
    EXPECT_EQ(noise_dh(b, a.public_key)->hex(), expected.get<std::string>());
  };
  check(pair_of("initiator", "ephemeralSeed"), pair_of("responder", "ephemeralSeed"), dh.at("ee"));
  check(pair_of("initiator", "ephemeralSeed"), pair_of("responder", "staticSeed"),
        dh.at("es_initiatorEphemeral_responderStatic"));
  check(pair_of("initiator", "staticSeed"), pair_of("responder", "ephemeralSeed"),
        dh.at("se_initiatorStatic_responderEphemeral"));
}

TEST_F(NoiseVectors, KeyDerivation) {
  auto const& row = vectors_.at("hkdf");
  auto const [first, second] =
      noise_hkdf(hex_fixed<Hash64>(row.at("ck")), hex_bytes(row.at("ikm")));
  EXPECT_EQ(first.hex(), row.at("out1").get<std::string>());
  EXPECT_EQ(second.hex(), row.at("out2").get<std::string>());
}

TEST_F(NoiseVectors, StateBeforeTheFirstMessage) {
  expect_state(initiator(), vectors_.at("afterInitialise"));
}

TEST_F(NoiseVectors, EveryMessageAndIntermediateState) {
  NoiseHandshake ours = initiator();
  NoiseHandshake theirs = responder();
  Bytes const m1 = *ours.write();
  EXPECT_EQ(to_hex(m1), to_hex(message("m1_initiator")));
  expect_state(ours, vectors_.at("steps").at(0));
  EXPECT_FALSE(ours.symmetric().key().has_value());

  ASSERT_TRUE(theirs.read(m1).ok());
  Bytes const m2 = *theirs.write();
  EXPECT_EQ(to_hex(m2), to_hex(message("m2_responder")));
  auto const& after_m2 = vectors_.at("steps").at(1);
  expect_state(theirs, after_m2);
  EXPECT_EQ(theirs.symmetric().key()->hex(), after_m2.at("key").get<std::string>());
  EXPECT_EQ(theirs.symmetric().nonce(), after_m2.at("nonce").get<std::uint32_t>());

  ASSERT_TRUE(ours.read(m2).ok());
  Bytes const m3 = *ours.write();
  EXPECT_EQ(to_hex(m3), to_hex(message("m3_initiator")));
  ASSERT_TRUE(theirs.read(m3).ok());

  auto const& expected = vectors_.at("result");
  ASSERT_TRUE(ours.complete() && theirs.complete());
  EXPECT_EQ(ours.result().handshake_hash.hex(), expected.at("handshakeHash").get<std::string>());
  EXPECT_EQ(theirs.result().handshake_hash, ours.result().handshake_hash);
  EXPECT_EQ(ours.result().send_key.hex(), expected.at("initiatorTx").get<std::string>());
  EXPECT_EQ(ours.result().receive_key.hex(), expected.at("initiatorRx").get<std::string>());
  EXPECT_EQ(theirs.result().send_key.hex(), expected.at("responderTx").get<std::string>());
  EXPECT_EQ(theirs.result().receive_key.hex(), expected.at("responderRx").get<std::string>());
  EXPECT_EQ(theirs.result().remote_key.hex(),
            expected.at("responderSeesRemoteStatic").get<std::string>());
  EXPECT_EQ(ours.result().remote_key.hex(),
            expected.at("initiatorSeesRemoteStatic").get<std::string>());
}

TEST_F(NoiseVectors, NoChangedByteOfTheSecondMessageIsAccepted) {
  Bytes const good = message("m2_responder");
  for (std::size_t i = 0; i < good.size(); ++i) {
    NoiseHandshake noise = initiator();
    ASSERT_TRUE(noise.write().ok());
    Bytes changed = good;
    changed[i] ^= 0x01;
    Result<void> const read = noise.read(changed);
    ASSERT_FALSE(read.ok()) << "byte " << i;
    ASSERT_EQ(read.error().code, ErrorCode::BadHandshake);
  }
}

TEST_F(NoiseVectors, NoChangedByteOfTheThirdMessageIsAccepted) {
  Bytes const good = message("m3_initiator");
  for (std::size_t i = 0; i < good.size(); ++i) {
    NoiseHandshake noise = responder();
    ASSERT_TRUE(noise.read(message("m1_initiator")).ok());
    ASSERT_TRUE(noise.write().ok());
    Bytes changed = good;
    changed[i] ^= 0x80;
    ASSERT_FALSE(noise.read(changed).ok()) << "byte " << i;
  }
}

TEST_F(NoiseVectors, AChangedFirstMessageShowsAtTheSecond) {
  Bytes const good = message("m1_initiator");
  Bytes const other = to_bytes(KeyPair::from_seed(Seed{}).public_key.view());
  NoiseHandshake ours = initiator();
  ASSERT_EQ(*ours.write(), good);
  NoiseHandshake theirs = responder();
  ASSERT_TRUE(theirs.read(other).ok());
  EXPECT_FALSE(ours.read(*theirs.write()).ok());
}

TEST_F(NoiseVectors, MessagesOfOtherSizesAreRefused) {
  for (std::ptrdiff_t const change : {-1, 1}) {
    Bytes m1 = message("m1_initiator");
    m1.resize(static_cast<std::size_t>(std::ssize(m1) + change));
    EXPECT_FALSE(responder().read(m1).ok());
    Bytes m2 = message("m2_responder");
    m2.resize(static_cast<std::size_t>(std::ssize(m2) + change));
    NoiseHandshake noise = initiator();
    ASSERT_TRUE(noise.write().ok());
    EXPECT_FALSE(noise.read(m2).ok());
  }
}

/// Points that would make every shared secret the same, and bytes that are no point at all.
class UnusablePoint : public ::testing::TestWithParam<char const*> {};

TEST_P(UnusablePoint, EndsTheHandshake) {
  ASSERT_TRUE(init_crypto().ok());
  PublicKey const point = *PublicKey::from_hex(GetParam());
  KeyPair const ours = KeyPair::from_seed(Seed{});
  Result<CipherKey> const secret = noise_dh(ours, point);
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().code, ErrorCode::BadHandshake);
  NoiseHandshake noise(NoiseRole::Responder, ours, ours);
  ASSERT_TRUE(noise.read(point.view()).ok());
  EXPECT_FALSE(noise.write().ok());
}

INSTANTIATE_TEST_SUITE_P(
    Points, UnusablePoint,
    ::testing::Values(
        "0000000000000000000000000000000000000000000000000000000000000000",    // order 4
        "0100000000000000000000000000000000000000000000000000000000000000",    // the neutral one
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",    // order 2
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",    // order 8
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",    // order 8
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",    // not canonical
        "0200000000000000000000000000000000000000000000000000000000000000"));  // not on the curve

}  // namespace
}  // namespace holdfast
