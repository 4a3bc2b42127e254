#include "wire/messages.h"

#include <gtest/gtest.h>

#include "support/message_json.h"
#include "support/vectors.h"

namespace holdfast::wire {
namespace {

using merkle::Proof;
using testing::hex_bytes;

Message decode(std::uint64_t type, ByteView body) {
  Result<std::optional<Message>> const message = decode_message(type, body, MessageLimits{});
  HOLDFAST_CHECK(message.ok() && message->has_value());
  return **message;
}

class MessageVectors : public ::testing::Test {
 protected:
  nlohmann::json const vectors_ = testing::load_vectors("messages.json");
};

TEST_F(MessageVectors, EveryRowDecodesToItsFieldsAndBack) {
  std::size_t compared = 0;
  for (auto const& row : vectors_.at("rows")) {
    if (row.at("messageId").is_null()) continue;
    SCOPED_TRACE(row.at("type").get<std::string>() + ": " + row.at("label").get<std::string>());
    Bytes const body = hex_bytes(row.at("hex"));
    Message const message = decode(row.at("messageId").get<std::uint64_t>(), body);
    EXPECT_EQ(testing::type_name(message), row.at("type").get<std::string>());
    testing::expect_fields(message, row.at("fields"));
    EXPECT_EQ(to_hex(encode(message)), to_hex(body));
    ++compared;
  }
  EXPECT_EQ(compared, 30U);
}

TEST_F(MessageVectors, HandshakesOfAnOpen) {
  std::size_t compared = 0;
  for (auto const& row : vectors_.at("rows")) {
    if (row.at("type") != "handshake") continue;
    Bytes const body = hex_bytes(row.at("hex"));
    OpenHandshake const handshake = *decode_open_handshake(body);
    EXPECT_EQ(handshake.seeks, row.at("fields").at("seeks").get<bool>());
    EXPECT_EQ(handshake.capability.hex(), row.at("fields").at("capability").get<std::string>());
    EXPECT_EQ(to_hex(encode(handshake)), to_hex(body));
    ++compared;
  }
  EXPECT_EQ(compared, 2U);
}

TEST_F(MessageVectors, NoTruncationDecodesToTheSameMessage) {
  for (auto const& row : vectors_.at("rows")) {
    if (row.at("messageId").is_null()) continue;
    auto const type = row.at("messageId").get<std::uint64_t>();
    Bytes const body = hex_bytes(row.at("hex"));
    Message const whole = decode(type, body);
    for (std::size_t size = 0; size < body.size(); ++size) {
      auto const cut = decode_message(type, ByteView(body).first(size), MessageLimits{});
      // Optional trailing fields are how the format grows: cut off, they read as their default.
      bool const flags_of_no_data = type == NoData::kType && row.at("label") == "no reason";
      if (flags_of_no_data) continue;
      ASSERT_TRUE(!cut.ok() || **cut != whole) << row.at("label") << " cut to " << size;
    }
  }
}

TEST_F(MessageVectors, ProofsOfJavaScriptDecodeAndEncodeToTheSameBytes) {
  std::size_t compared = 0;
  nlohmann::json const vectors = testing::load_vectors("proofs.json");
  for (auto const& row : vectors.at("proofs")) {
    if (!row.contains("wireData") || row.at("wireData").is_null()) continue;
    Bytes const body = hex_bytes(row.at("wireData"));
    EXPECT_EQ(to_hex(encode(decode(Data::kType, body))), to_hex(body)) << row.at("label");
    ++compared;
  }
  EXPECT_EQ(compared, 30U);
}

TEST(Messages, IgnoreBytesBehindTheirLastField) {
  Bytes body = encode(Sync{.can_upgrade = true, .fork = 1, .length = 2, .remote_length = 3});
  Message const sync = decode(Sync::kType, body);
  body.push_back(9);
  EXPECT_EQ(decode(Sync::kType, body), sync);
  Bytes want = encode(Want{.start = 1, .length = 2, .any = true});
  want.push_back(9);
  EXPECT_EQ(decode(Want::kType, want), Message(Want{.start = 1, .length = 2, .any = true}));
}

TEST(Messages, OfUnknownTypesAreNothing) {
  auto const message = decode_message(10, Bytes{1, 2, 3}, MessageLimits{});
  ASSERT_TRUE(message.ok());
  EXPECT_FALSE(message->has_value());
}

TEST(NoDataMessage, OfHypercore10HasOnlyItsRequest) {
  EXPECT_EQ(decode(NoData::kType, Bytes{7}), Message(NoData{.request = 7}));
}

TEST(NoDataMessage, WithAnUnknownReasonHasNone) {
  EXPECT_EQ(decode(NoData::kType, Bytes{7, 1, 99}), Message(NoData{.request = 7}));
}

TEST(BitfieldMessage, StartsAtAWord) {
  Bytes const body = encode(Bitfield{.start = 64, .words = {1}});
  EXPECT_EQ(decode(Bitfield::kType, body), Message(Bitfield{.start = 64, .words = {1}}));
  for (Byte const start : {Byte{1}, Byte{31}, Byte{33}}) {
    auto const message = decode_message(Bitfield::kType, Bytes{start, 0}, MessageLimits{});
    ASSERT_FALSE(message.ok()) << int{start};
    EXPECT_EQ(message.error().code, ErrorCode::Malformed);
  }
}

Proof full_proof() {
  merkle::Node const node{.index = TreeIndex(6), .size = 11, .hash = {}};
  Proof proof;
  proof.fork = 2;
  proof.block = Proof::Block{.index = BlockIndex(3), .value = Bytes(10, 1), .nodes = {node, node}};
  proof.hash = Proof::HashNode{.index = TreeIndex(9), .nodes = {node}};
  proof.seek = Proof::Seek{.bytes = 1000, .nodes = {node}};
  proof.upgrade = Proof::Upgrade{.start = 1,
                                 .length = 2,
                                 .nodes = {node},
                                 .additional_nodes = {node, node},
                                 .signature = Bytes(64, 5)};
  return proof;
}

TEST(DataMessage, CarriesEveryPartAtOnce) {
  Data const data{.request = 5, .proof = full_proof()};
  EXPECT_EQ(decode(Data::kType, encode(data)), Message(data));
}

struct LimitCase {
  char const* name;
  MessageLimits fits;
  MessageLimits too_small;
};
void PrintTo(LimitCase const& limit, std::ostream* out) { *out << limit.name; }

class DataLimits : public ::testing::TestWithParam<LimitCase> {};

TEST_P(DataLimits, HoldOnBothSides) {
  Bytes const body = encode(Data{.request = 5, .proof = full_proof()});
  EXPECT_TRUE(decode_message(Data::kType, body, GetParam().fits).ok());
  auto const refused = decode_message(Data::kType, body, GetParam().too_small);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
}

INSTANTIATE_TEST_SUITE_P(
    EachField, DataLimits,
    ::testing::Values(
        LimitCase{"block bytes", {.block_bytes_max = 10}, {.block_bytes_max = 9}},
        LimitCase{"proof nodes", {.proof_nodes_max = 2}, {.proof_nodes_max = 1}},
        LimitCase{"additional nodes", {.additional_nodes_max = 2}, {.additional_nodes_max = 1}},
        LimitCase{"signature bytes", {.signature_bytes_max = 64}, {.signature_bytes_max = 63}}));

TEST(DataMessage, RefusesArraysThatItCannotHoldBeforeAllocating) {
  // A block of no bytes that claims 127 nodes of at least 34 bytes each.
  auto const message = decode_message(Data::kType, Bytes{1, 1, 0, 0, 0, 127}, MessageLimits{});
  ASSERT_FALSE(message.ok());
  EXPECT_EQ(message.error().code, ErrorCode::Malformed);
}

TEST(BitfieldMessage, HasALimit) {
  Bytes const body = encode(Bitfield{.start = 0, .words = {1, 2, 3}});
  EXPECT_TRUE(decode_message(Bitfield::kType, body, {.bitfield_words_max = 3}).ok());
  auto const refused = decode_message(Bitfield::kType, body, {.bitfield_words_max = 2});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
}

TEST(ExtensionMessage, HasANameOfLimitedLength) {
  Bytes const body = encode(Extension{.name = "abc", .body = {}});
  EXPECT_TRUE(decode_message(Extension::kType, body, {.extension_name_bytes_max = 3}).ok());
  EXPECT_FALSE(decode_message(Extension::kType, body, {.extension_name_bytes_max = 2}).ok());
}

class ManifestInData : public ::testing::Test {
 protected:
  static Bytes body_with(ByteView manifest) {
    Bytes body{16, 1, 0};
    append(body, manifest);
    return body;
  }
  static Result<std::optional<Message>> decode_with(ByteView manifest, MessageLimits limits = {}) {
    return decode_message(Data::kType, body_with(manifest), limits);
  }
};

TEST_F(ManifestInData, EndsWhereItsFieldsEnd) {
  nlohmann::json const vectors = testing::load_vectors("keys.json");
  std::size_t compared = 0;
  for (auto const& row : vectors.at("manifests")) {
    Bytes const manifest = hex_bytes(row.at("encoded"));
    Bytes longer = manifest;
    append(longer, Bytes{1, 2, 3});
    auto const message = decode_with(longer);
    ASSERT_TRUE(message.ok()) << row.at("label");
    EXPECT_EQ(std::get<Data>(**message).proof.manifest, manifest) << row.at("label");
    ++compared;
  }
  EXPECT_EQ(compared, 11U);
}

TEST_F(ManifestInData, IsRefusedWhenCutAnywhere) {
  nlohmann::json const vectors = testing::load_vectors("keys.json");
  for (auto const& row : vectors.at("manifests")) {
    Bytes const manifest = hex_bytes(row.at("encoded"));
    for (std::size_t size = 0; size < manifest.size(); ++size) {
      ASSERT_FALSE(decode_with(ByteView(manifest).first(size)).ok())
          << row.at("label") << " " << size;
    }
  }
}

TEST_F(ManifestInData, HasALimit) {
  nlohmann::json const vectors = testing::load_vectors("keys.json");
  Bytes const manifest = hex_bytes(vectors.at("manifests").at(0).at("encoded"));
  EXPECT_TRUE(decode_with(manifest, {.manifest_bytes_max = manifest.size()}).ok());
  auto const refused = decode_with(manifest, {.manifest_bytes_max = manifest.size() - 1});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
}

TEST_F(ManifestInData, OfALaterVersionIsTheRestOfTheMessage) {
  Bytes const manifest{4, 9, 9, 9};
  EXPECT_EQ(std::get<Data>(**decode_with(manifest)).proof.manifest, manifest);
}

TEST(OpenHandshake, IsRefusedWhenCutAnywhere) {
  Bytes const body = encode(OpenHandshake{.seeks = true, .capability = {}});
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(decode_open_handshake(ByteView(body).first(size)).ok()) << size;
  }
}

}  // namespace
}  // namespace holdfast::wire
