#include "discovery/store/redis_reply.h"

#include <gtest/gtest.h>

#include "discovery/store/redis_store.h"

namespace holdfast::discovery {

namespace {

using Kind = RedisReply::Kind;

constexpr std::string_view kStream =
    "+OK\r\n-ERR "
    "no\r\n:-7\r\n$3\r\na\r\n\r\n$-1\r\n*3\r\n:1\r\n*1\r\n$0\r\n\r\n$-1\r\n*0\r\n*-1\r\n";

std::vector<RedisReply> read_in_chunks(std::string_view stream, std::size_t chunk_bytes) {
  RedisReplyReader reader({});
  std::vector<RedisReply> out;
  while (!stream.empty()) {
    EXPECT_TRUE(reader.feed(stream.substr(0, chunk_bytes)).ok());
    stream.remove_prefix(std::min(chunk_bytes, stream.size()));
    while (true) {
      auto reply = reader.next();
      EXPECT_TRUE(reply.ok());
      if (!reply || !*reply) break;
      out.push_back(**std::move(reply));
    }
  }
  return out;
}

ErrorCode refusal(std::string_view stream, RedisReplyReader::Options options = {}) {
  RedisReplyReader reader(options);
  if (auto const fed = reader.feed(stream); !fed) return fed.error().code;
  auto const reply = reader.next();
  EXPECT_FALSE(reply.ok());
  return reply ? ErrorCode::Storage : reply.error().code;
}

TEST(RedisReplyReader, ReadsEveryKind) {
  std::vector<RedisReply> const replies = read_in_chunks(kStream, kStream.size());
  ASSERT_EQ(replies.size(), 8U);
  EXPECT_EQ(replies[0].kind, Kind::Status);
  EXPECT_EQ(replies[1].kind, Kind::Error);
  EXPECT_EQ(replies[1].text, "ERR no");
  EXPECT_EQ(replies[2].integer, -7);
  EXPECT_EQ(replies[3].text, "a\r\n");
  EXPECT_EQ(replies[4].kind, Kind::Nil);
  EXPECT_EQ(replies[5].at(0).integer, 1);
  EXPECT_EQ(replies[5].at(1).at(0).kind, Kind::Text);
  EXPECT_EQ(replies[5].at(2).kind, Kind::Nil);
  EXPECT_EQ(replies[6].kind, Kind::Array);
  EXPECT_EQ(replies[7].kind, Kind::Nil);
}

TEST(RedisReplyReader, HowAStreamIsCutChangesNothing) {
  std::vector<RedisReply> const whole = read_in_chunks(kStream, kStream.size());
  for (std::size_t bytes = 1; bytes < kStream.size(); ++bytes) {
    EXPECT_EQ(read_in_chunks(kStream, bytes), whole) << bytes;
  }
}

TEST(RedisReplyReader, RefusesAnArrayItWouldHaveToBelieve) {
  EXPECT_EQ(refusal("*2000000000\r\n"), ErrorCode::LimitExceeded);
  EXPECT_EQ(refusal("*3\r\n:1\r\n", {.items_max = 2}), ErrorCode::LimitExceeded);
  EXPECT_EQ(refusal("*2\r\n*1\r\n:1\r\n", {.items_max = 2}), ErrorCode::LimitExceeded);
}

TEST(RedisReplyReader, RefusesAReplyAboveItsBound) {
  EXPECT_EQ(refusal("$100\r\n" + std::string(20, 'x'), {.bytes_max = 20}),
            ErrorCode::LimitExceeded);
}

TEST(RedisReplyReader, BoundsEachReplyNotTheConnection) {
  RedisReplyReader reader({.bytes_max = 40, .items_max = 3});
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(reader.feed("*2\r\n:1\r\n$5\r\nabcde\r\n").ok());
    auto const reply = reader.next();
    ASSERT_TRUE(reply.ok());
    ASSERT_TRUE(reply->has_value());
  }
}

TEST(RedisReplyReader, RefusesWhatIsNotRedis) {
  EXPECT_EQ(refusal("HTTP/1.1 400 Bad Request\r\n"), ErrorCode::Malformed);
  EXPECT_EQ(refusal("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"),
            ErrorCode::Malformed);
}

TEST(RedisReply, NumbersAreNeverNegative) {
  RedisReply reply;
  reply.kind = Kind::Integer;
  reply.integer = -1;
  EXPECT_EQ(reply.number(), 0U);
  reply.kind = Kind::Text;
  reply.text = "12";
  EXPECT_EQ(reply.number(), 12U);
  reply.text = "12x";
  EXPECT_EQ(reply.number(), 0U);
}

struct UrlCase {
  std::string url;
  std::string host;  ///< Empty: refused.
  std::uint16_t port = 6379;
  std::uint32_t database = 0;
};
void PrintTo(UrlCase const& row, std::ostream* out) { *out << '"' << row.url << '"'; }

class RedisUrlTest : public testing::TestWithParam<UrlCase> {};

TEST_P(RedisUrlTest, IsTakenApart) {
  auto const options = parse_redis_url(GetParam().url);
  ASSERT_EQ(options.ok(), !GetParam().host.empty());
  if (!options) return;
  EXPECT_EQ(options->servers[0].host, GetParam().host);
  EXPECT_EQ(options->servers[0].port, GetParam().port);
  EXPECT_EQ(options->database, GetParam().database);
}

INSTANTIATE_TEST_SUITE_P(
    Urls, RedisUrlTest,
    testing::Values(UrlCase{"redis://a", "a", 6379, 0}, UrlCase{"redis://a/", "a", 6379, 0},
                    UrlCase{"redis://a:1/2", "a", 1, 2},
                    UrlCase{"redis://127.0.0.1:65535", "127.0.0.1", 65535, 0},
                    UrlCase{"redis://[::1]", "::1", 6379, 0},
                    UrlCase{"redis://[::1]:7/15", "::1", 7, 15}, UrlCase{"", "", 0, 0},
                    UrlCase{"redis://", "", 0, 0}, UrlCase{"redis://:6379", "", 0, 0},
                    UrlCase{"rediss://a", "", 0, 0}, UrlCase{"redis://a:0", "", 0, 0},
                    UrlCase{"redis://a:65536", "", 0, 0}, UrlCase{"redis://a:", "", 0, 0},
                    UrlCase{"redis://a/x", "", 0, 0}, UrlCase{"redis://a/1/2", "", 0, 0},
                    UrlCase{"redis://u:p@a", "", 0, 0}, UrlCase{"redis://[::1", "", 0, 0},
                    UrlCase{"redis://::1", "", 0, 0}, UrlCase{"redis://[a]", "", 0, 0}));

struct FleetUrlCase {
  std::string url;
  std::vector<std::string> servers;  ///< Empty: refused.
  std::string master = {};
  std::uint32_t database = 0;
};
void PrintTo(FleetUrlCase const& row, std::ostream* out) { *out << '"' << row.url << '"'; }

class FleetUrlTest : public testing::TestWithParam<FleetUrlCase> {};

TEST_P(FleetUrlTest, IsTakenApart) {
  auto const options = parse_redis_url(GetParam().url);
  ASSERT_EQ(options.ok(), !GetParam().servers.empty());
  if (!options) return;
  std::vector<std::string> servers;
  for (auto const& server : options->servers) {
    servers.push_back(server.host + ' ' + std::to_string(server.port));
  }
  EXPECT_EQ(servers, GetParam().servers);
  EXPECT_EQ(options->master, GetParam().master);
  EXPECT_EQ(options->database, GetParam().database);
}

INSTANTIATE_TEST_SUITE_P(
    Urls, FleetUrlTest,
    testing::Values(
        FleetUrlCase{"redis-sentinel://a,b:1,[::1]:2/main", {"a 26379", "b 1", "::1 2"}, "main"},
        FleetUrlCase{"redis-sentinel://a/main/3", {"a 26379"}, "main", 3},
        FleetUrlCase{"redis-sentinel://a", {}}, FleetUrlCase{"redis-sentinel://a/", {}},
        FleetUrlCase{"redis-sentinel:///main", {}}, FleetUrlCase{"redis-sentinel://a,/main", {}},
        FleetUrlCase{"redis-sentinel://a/main/x", {}},
        FleetUrlCase{"redis-cluster://a,b:7000", {"a 6379", "b 7000"}},
        FleetUrlCase{"redis-cluster://a/0", {"a 6379"}}, FleetUrlCase{"redis-cluster://a/1", {}},
        FleetUrlCase{"redis-cluster://", {}}, FleetUrlCase{"redis://a,b", {}}));

}  // namespace

}  // namespace holdfast::discovery
