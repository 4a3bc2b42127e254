#include "crypto/secret_stream.h"

#include <gtest/gtest.h>

#include "support/vectors.h"

namespace holdfast {
namespace {

using testing::hex_bytes;
using testing::hex_fixed;

constexpr std::size_t kFrameHeaderBytes = 3;

Bytes seal(StreamSealer& sealer, ByteView plain) {
  Bytes out(plain.size() + kStreamOverheadBytes);
  sealer.seal(plain, out.data());
  return out;
}

class SecretStreamVectors : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }

  void expect_frames(char const* key_name, char const* header_name, char const* direction) const {
    CipherKey const key = hex_fixed<CipherKey>(vectors_.at("result").at(key_name));
    auto const header = hex_fixed<StreamHeader>(vectors_.at("headerFrames").at(header_name));
    StreamSealer sealer(key, header);
    StreamOpener opener(key, header);
    for (auto const& row : vectors_.at("messages").at(direction)) {
      Bytes const plain = hex_bytes(row.at("plain"));
      Bytes const frame = hex_bytes(row.at("frame"));
      ByteView const cipher = ByteView(frame).subspan(kFrameHeaderBytes);
      EXPECT_EQ(to_hex(seal(sealer, plain)), to_hex(cipher));
      EXPECT_EQ(*opener.open(cipher), plain);
    }
  }
  nlohmann::json const vectors_ = testing::load_vectors("noise-secretstream.json");
};

TEST_F(SecretStreamVectors, FramesOfTheInitiator) {
  expect_frames("initiatorTx", "initiatorSecretstreamHeader", "initiatorToResponder");
}

TEST_F(SecretStreamVectors, FramesOfTheResponder) {
  expect_frames("responderTx", "responderSecretstreamHeader", "responderToInitiator");
}

class SecretStream : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }
  CipherKey const key_ = *CipherKey::from(Bytes(32, 7));
};

TEST_F(SecretStream, DrawsAnotherHeaderEachTime) {
  EXPECT_NE(StreamSealer(key_).header(), StreamSealer(key_).header());
}

TEST_F(SecretStream, OpensWhatWasSealedUnderARandomHeader) {
  StreamSealer sealer(key_);
  StreamOpener opener(key_, sealer.header());
  EXPECT_EQ(*opener.open(seal(sealer, as_bytes("one"))), to_bytes(as_bytes("one")));
  EXPECT_EQ(*opener.open(seal(sealer, {})), Bytes{});
}

TEST_F(SecretStream, RefusesAnyChangedByte) {
  StreamSealer sealer(key_);
  Bytes const cipher = seal(sealer, as_bytes("frame"));
  for (std::size_t i = 0; i < cipher.size(); ++i) {
    Bytes changed = cipher;
    changed[i] ^= 4;
    StreamOpener opener(key_, sealer.header());
    Result<Bytes> const opened = opener.open(changed);
    ASSERT_FALSE(opened.ok()) << i;
    ASSERT_EQ(opened.error().code, ErrorCode::BadHandshake);
  }
}

TEST_F(SecretStream, RefusesFramesOutOfOrderAndTwice) {
  StreamSealer sealer(key_);
  Bytes const first = seal(sealer, as_bytes("first"));
  Bytes const second = seal(sealer, as_bytes("second"));
  EXPECT_FALSE(StreamOpener(key_, sealer.header()).open(second).ok());
  StreamOpener opener(key_, sealer.header());
  ASSERT_TRUE(opener.open(first).ok());
  EXPECT_FALSE(opener.open(first).ok());
}

TEST_F(SecretStream, RefusesWhatIsShorterThanItsTag) {
  StreamOpener opener(key_, StreamHeader{});
  EXPECT_EQ(opener.open(Bytes(16)).error().code, ErrorCode::Malformed);
  EXPECT_EQ(opener.open({}).error().code, ErrorCode::Malformed);
}

}  // namespace
}  // namespace holdfast
