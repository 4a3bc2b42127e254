#include "registration/record.h"

#include <map>

#include <gtest/gtest.h>

#include "golden.h"
#include "registration/base64.h"

namespace holdfast::registration {

namespace {

Record record_of(nlohmann::json const& json) {
  Record out;
  out.id = *PublicKey::from_hex(text_of(json, "id"));
  out.seq = json.at("seq").get<std::uint64_t>();
  for (nlohmann::json const& address : json.at("addresses")) {
    out.addresses.push_back(
        {text_of(address, "kind") == "ws" ? AddressKind::WebSocket : AddressKind::Tcp,
         text_of(address, "host"), address.at("port").get<std::uint16_t>(),
         text_of(address, "url")});
  }
  out.region = text_of(json, "region");
  out.group = text_of(json, "group");
  out.capacity = json.at("capacity").get<std::uint64_t>();
  out.accept = text_of(json, "accept") == "assigned" ? AcceptMode::Assigned : AcceptMode::Listed;
  out.software = text_of(json, "software");
  return out;
}

ErrorCode code_of(std::string const& name) {
  std::map<std::string, ErrorCode> const codes = {{"Malformed", ErrorCode::Malformed},
                                                  {"LimitExceeded", ErrorCode::LimitExceeded},
                                                  {"BadSignature", ErrorCode::BadSignature}};
  return codes.at(name);
}

SignedRecord good_record() {
  Record record;
  record.id = pair_of(1).public_key;
  record.seq = 1'767'225'600'123;
  record.addresses = {{AddressKind::Tcp, "node.example.org", 4838, ""},
                      {AddressKind::WebSocket, "", 0, "wss://node.example.org/"}};
  record.region = "eu";
  return *sign_record(record, pair_of(1));
}

TEST(Record, EncodesAndSignsAsTheVectors) {
  nlohmann::json const vectors = golden("records.json");
  for (nlohmann::json const& row : vectors.at("records")) {
    if (!text_of(row, "extra").empty()) continue;
    SCOPED_TRACE(text_of(row, "name"));
    Record const record = record_of(row.at("record"));
    EXPECT_EQ(to_hex(encode_record(record)), text_of(row, "encoded"));
    auto const signed_record = sign_record(record, pair_of_hex(text_of(row, "seed")));
    ASSERT_TRUE(signed_record.ok()) << to_string(signed_record.error());
    EXPECT_EQ(to_base64url(signed_record->bytes), text_of(row, "base64url"));
  }
}

TEST(Record, OpensTheVectors) {
  nlohmann::json const vectors = golden("records.json");
  for (nlohmann::json const& row : vectors.at("records")) {
    SCOPED_TRACE(text_of(row, "name"));
    auto const bytes = from_base64url(text_of(row, "base64url"), kSignedRecordBytesMax);
    ASSERT_TRUE(bytes.has_value());
    auto const opened = open_record(*bytes);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    EXPECT_EQ(opened->record, record_of(row.at("record")));
    EXPECT_EQ(opened->bytes, *bytes);
  }
}

TEST(Record, RefusesWhatBreaksARule) {
  nlohmann::json const vectors = golden("records.json");
  for (nlohmann::json const& row : vectors.at("refused")) {
    SCOPED_TRACE(text_of(row, "name"));
    auto const bytes = from_base64url(text_of(row, "base64url"), kSignedRecordBytesMax);
    ASSERT_TRUE(bytes.has_value());
    auto const opened = open_record(*bytes);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, code_of(text_of(row, "error"))) << to_string(opened.error());
  }
}

TEST(Record, EveryFlippedBitIsNoticed) {
  Bytes bytes = good_record().bytes;
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    auto const mask = static_cast<Byte>(1U << (i % 8));
    bytes[i / 8] ^= mask;
    EXPECT_FALSE(open_record(bytes).ok()) << "bit " << i;
    bytes[i / 8] ^= mask;
  }
  EXPECT_TRUE(open_record(bytes).ok());
}

TEST(Record, EveryTruncationIsNoticed) {
  Bytes const bytes = good_record().bytes;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(open_record(ByteView(bytes).first(size)).ok()) << size << " bytes";
  }
}

TEST(Record, RefusesMoreBytesThanARecordMayHave) {
  auto const opened = open_record(Bytes(kSignedRecordBytesMax + 1));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::LimitExceeded);
}

TEST(Record, RefusesToSignWhatNobodyWouldOpen) {
  Record record = good_record().record;
  record.addresses.clear();
  EXPECT_EQ(sign_record(record, pair_of(1)).error().code, ErrorCode::Malformed);
}

struct HostCase {
  std::string host;
  bool is_fine;
};
void PrintTo(HostCase const& row, std::ostream* out) { *out << '"' << row.host << '"'; }

class HostTest : public testing::TestWithParam<HostCase> {};

TEST_P(HostTest, IsJudgedByItsShape) { EXPECT_EQ(is_host(GetParam().host), GetParam().is_fine); }

INSTANTIATE_TEST_SUITE_P(
    Hosts, HostTest,
    testing::Values(HostCase{"a", true}, HostCase{"node.example.org", true},
                    HostCase{"node.example.org.", true}, HostCase{"xn--bcher-kva.example", true},
                    HostCase{"203.0.113.7", true}, HostCase{"::1", true}, HostCase{"::", true},
                    HostCase{"2001:db8::7", true}, HostCase{"::ffff:203.0.113.7", true},
                    HostCase{std::string(63, 'a'), true}, HostCase{std::string(64, 'a'), false},
                    HostCase{"", false}, HostCase{".", false}, HostCase{"a..b", false},
                    HostCase{".a", false}, HostCase{"-a", false}, HostCase{"a-", false},
                    HostCase{"a b", false}, HostCase{"a/b", false}, HostCase{"a@b", false},
                    HostCase{"[::1]", false}, HostCase{"fe80::1%eth0", false},
                    HostCase{"b\xc3\xbc", false}, HostCase{std::string("a\0b", 3), false},
                    HostCase{"g::1", false}, HostCase{"a:1", false}));

struct UrlCase {
  std::string url;
  std::string host;  ///< Empty: refused.
  std::uint16_t port;
};
void PrintTo(UrlCase const& row, std::ostream* out) { *out << '"' << row.url << '"'; }

class UrlTest : public testing::TestWithParam<UrlCase> {};

TEST_P(UrlTest, GivesHostAndPort) {
  auto const target = host_of_url(GetParam().url);
  ASSERT_EQ(target.ok(), !GetParam().host.empty());
  if (!target) return;
  EXPECT_EQ(target->host, GetParam().host);
  EXPECT_EQ(target->port, GetParam().port);
}

INSTANTIATE_TEST_SUITE_P(
    Urls, UrlTest,
    testing::Values(
        UrlCase{"ws://a", "a", 80}, UrlCase{"wss://a", "a", 443}, UrlCase{"wss://a/b?c", "a", 443},
        UrlCase{"wss://a?c:1", "a", 443}, UrlCase{"ws://a:1", "a", 1},
        UrlCase{"ws://a:65535/", "a", 65535}, UrlCase{"ws://[::1]", "::1", 80},
        UrlCase{"ws://[::1]:8080/x", "::1", 8080}, UrlCase{"ws://a:65536", "", 0},
        UrlCase{"ws://a:0", "", 0}, UrlCase{"ws://a:", "", 0}, UrlCase{"ws://a:1x", "", 0},
        UrlCase{"ws://a:000001", "", 0}, UrlCase{"ws://", "", 0}, UrlCase{"ws:///a", "", 0},
        UrlCase{"http://a", "", 0}, UrlCase{"WS://a", "", 0}, UrlCase{"ws://u@a", "", 0},
        UrlCase{"ws://a#b", "", 0}, UrlCase{"ws://a b", "", 0}, UrlCase{"ws://[::1", "", 0},
        UrlCase{"ws://[::1]x", "", 0}, UrlCase{"ws://[a]", "", 0}, UrlCase{"ws://::1", "", 0},
        UrlCase{"ws://a/\xc3\xbc", "", 0}, UrlCase{"ws://a/" + std::string(248, 'p'), "a", 80},
        UrlCase{"ws://a/" + std::string(249, 'p'), "", 0}));

TEST(Base64, HasOneSpellingPerValue) {
  EXPECT_EQ(to_base64url(as_bytes("\xff\xfe\xfd")), "__79");
  EXPECT_EQ(to_base64(as_bytes("\xff\xfe\xfd\xfc")), "//79/A==");
  EXPECT_EQ(from_base64url("__79", 3), to_bytes(as_bytes("\xff\xfe\xfd")));
  for (char const* text : {"__7", "__7=", "_", "//79", "__79\n", " __79", "_f"}) {
    bool const is_whole = std::string_view(text) == "__7";
    EXPECT_FALSE(from_base64url(text, 8).has_value() && !is_whole) << text;
  }
  EXPECT_FALSE(from_base64url("__79", 2).has_value()) << "above the limit";
  EXPECT_FALSE(from_base64url("AB", 8).has_value()) << "spare bits set";
  EXPECT_FALSE(from_base64("//79/A=", 8).has_value());
  EXPECT_FALSE(from_base64("//79/A===", 8).has_value());
  EXPECT_FALSE(from_base64("//79/A", 8).has_value());
}

TEST(Base64, GivesBackWhatItWasGiven) {
  Bytes bytes;
  for (std::size_t size = 0; size < 70; ++size) {
    EXPECT_EQ(from_base64url(to_base64url(bytes), 70), bytes);
    EXPECT_EQ(from_base64(to_base64(bytes), 70), bytes);
    bytes.push_back(static_cast<Byte>(size * 37 + 200));
  }
}

}  // namespace

}  // namespace holdfast::registration
