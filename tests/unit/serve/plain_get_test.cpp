#include "serve/plain_get.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

constexpr char kHead[] =
    "GET /project/ab/sync?wait=1 HTTP/1.1\r\nhost: a\r\nAccept-Encoding: br\r\nAccept:  */* "
    "\r\n\r\n";

TEST(PlainGet, IsCutIntoViews) {
  PlainGet got;
  std::string const bytes = std::string(kHead) + "GET /next";
  ASSERT_TRUE(recognise_plain_get(bytes, {}, got));
  EXPECT_EQ(got.head_bytes, sizeof kHead - 1);
  EXPECT_EQ(got.path.size(), std::string("/project/ab/sync").size());
  EXPECT_FALSE(got.close);
  EXPECT_EQ(got.field_count, 2u) << "Accept-Encoding is left out";
}

TEST(PlainGet, ViewsAreOfTheInput) {
  std::string const bytes = kHead;
  PlainGet got;
  ASSERT_TRUE(recognise_plain_get(bytes, {}, got));
  EXPECT_EQ(got.path, "/project/ab/sync");
  EXPECT_EQ(got.query, "wait=1");
  EXPECT_EQ(got.fields[0].name, "host");
  EXPECT_EQ(got.fields[1].value, "*/*");
}

TEST(PlainGet, EveryTruncationIsLeftToTheCollector) {
  PlainGet got;
  for (std::size_t size = 0; size + 1 < sizeof kHead; ++size)
    EXPECT_FALSE(recognise_plain_get(std::string(kHead, size), {}, got)) << size;
}

TEST(PlainGet, LimitsHoldAsInTheCollector) {
  PlainGet got;
  auto const head = [](std::size_t target_bytes) {
    return "GET /" + std::string(target_bytes - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_TRUE(recognise_plain_get(head(100), {.target_bytes_max = 100}, got));
  EXPECT_FALSE(recognise_plain_get(head(101), {.target_bytes_max = 100}, got));
  std::size_t const counted = head(100).size() - 2;
  EXPECT_TRUE(recognise_plain_get(head(100), {.head_bytes_max = counted}, got));
  EXPECT_FALSE(recognise_plain_get(head(100), {.head_bytes_max = counted - 1}, got));
}

TEST(PlainGet, MoreFieldsThanItHoldsAreLeftToTheCollector) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (std::size_t i = 1; i < PlainGet::kFieldsMax; ++i) head += "a: b\r\n";
  PlainGet got;
  EXPECT_TRUE(recognise_plain_get(head + "\r\n", {}, got));
  EXPECT_FALSE(recognise_plain_get(head + "a: b\r\n\r\n", {}, got));
}

class Unusual : public testing::TestWithParam<char const*> {};

TEST_P(Unusual, IsLeftToTheGeneralPath) {
  PlainGet got;
  EXPECT_FALSE(recognise_plain_get(GetParam(), {}, got));
}

INSTANTIATE_TEST_SUITE_P(
    Requests, Unusual,
    testing::Values(
        "", "GET", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET /%41 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a?b=c+d HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n A: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nA: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: \x7f\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\tc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: \xc3\xa4\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nexpect: 100-continue\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nRemote_Addr: 6.6.6.6\r\n\r\n"));

}  // namespace
}  // namespace holdfast
