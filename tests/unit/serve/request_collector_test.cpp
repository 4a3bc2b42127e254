#include "serve/request_collector.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Collected = RequestCollector::Collected;

Router make_router() {
  Router router;
  HttpHandler const handler = [](HttpRequest const&) { return HttpResponse{}; };
  router.add("GET", "/small", handler);
  router.add("PUT", "/items/{id}", handler, {.body_bytes_max = 16});
  return router;
}

class RequestCollectorTest : public testing::Test {
 protected:
  RequestCollectorTest() : router(make_router()) {}

  RequestCollector collector() { return RequestCollector(router, RequestLimits{}); }
  int refusal_of(std::string const& bytes) {
    RequestCollector all = collector();
    all.receive(bytes);
    return all.refusal() ? all.refusal()->status : 0;
  }
  std::optional<Collected> one(std::string const& bytes) {
    RequestCollector all = collector();
    all.receive(bytes);
    return all.take();
  }

  Router router;
};

TEST_F(RequestCollectorTest, ARequestWithBodyComesOutWhole) {
  std::optional<Collected> const got =
      one("PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->head, "PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(got->body, "abc");
}

TEST_F(RequestCollectorTest, CuttingTheStreamChangesNothing) {
  std::string const bytes =
      "PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /small "
      "HTTP/1.1\r\nHost: b\r\n\r\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    RequestCollector split = collector();
    std::vector<std::string> got;
    for (std::string const& part : {bytes.substr(0, cut), bytes.substr(cut)}) {
      split.receive(part);
      while (std::optional<Collected> request = split.take())
        got.push_back(request->head + request->body);
    }
    ASSERT_EQ(got.size(), 2u) << cut;
    EXPECT_TRUE(got[0].ends_with("abc"));
    EXPECT_TRUE(got[1].starts_with("GET /small"));
    EXPECT_FALSE(split.has_partial());
  }
}

TEST_F(RequestCollectorTest, EveryTruncationWaitsForMore) {
  std::string const bytes = "PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    RequestCollector cut = collector();
    cut.receive(bytes.substr(0, length));
    EXPECT_FALSE(cut.take()) << length;
    EXPECT_FALSE(cut.refusal()) << length;
  }
}

TEST_F(RequestCollectorTest, FieldsThatOnlyHarmAreLeftOut) {
  std::optional<Collected> const got = one(
      "GET /small HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nRANGE: bytes=0-1\r\nREMOTE_ADDR: "
      "1.2.3.4\r\nremote_port: 1\r\n"
      "Expect: 100-continue\r\nX: y\r\n\r\n");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->head, "GET /small HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n");
}

TEST_F(RequestCollectorTest, TargetsAreBoundedOnBothSides) {
  auto const with_target = [](std::size_t size) {
    return "GET /" + std::string(size - 1, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  };
  EXPECT_EQ(refusal_of(with_target(1024)), 0);
  EXPECT_EQ(refusal_of(with_target(1025)), 414);
  EXPECT_EQ(refusal_of("GET /" + std::string(20'000, 'a')), 414) << "before the line ends";
}

TEST_F(RequestCollectorTest, HeadsAreBoundedOnBothSides) {
  std::string const start = "GET /small HTTP/1.1\r\nHost: a\r\nX: ";
  auto const with_head = [&](std::size_t size) {
    return start + std::string(size - start.size() - 2, 'a') + "\r\n\r\n";
  };
  EXPECT_EQ(refusal_of(with_head(8192)), 0);
  EXPECT_EQ(refusal_of(with_head(8193)), 431);
  EXPECT_EQ(refusal_of(start + std::string(8200, 'a')), 431) << "before the head ends";
}

// Found by the fuzz target: a cut between CR and LF refused what fits exactly.
TEST_F(RequestCollectorTest, WhatFitsExactlyFitsHoweverItIsCut) {
  std::string const longest_line = "GET /" + std::string(1023, 'a') + " HTTP/1.1" + "\r\n";
  std::string const start = "GET /small HTTP/1.1\r\nHost: a\r\nX: ";
  std::string const longest_head = start + std::string(8192 - start.size() - 2, 'a') + "\r\n\r\n";
  // The line limit is that of the target and 64 bytes for method and version.
  RequestLimits const tight{.target_bytes_max = longest_line.size() - 2 - 64};
  for (std::size_t cut = 1; cut < longest_head.size(); ++cut) {
    RequestCollector line(router, tight);
    RequestCollector head = collector();
    line.receive(longest_line.substr(0, cut));
    head.receive(longest_head.substr(0, cut));
    ASSERT_FALSE(line.refusal()) << cut;
    ASSERT_FALSE(head.refusal()) << cut;
  }
}

TEST_F(RequestCollectorTest, BodiesAreRefusedByTheHeadAlone) {
  EXPECT_EQ(refusal_of("PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n"), 0);
  EXPECT_EQ(refusal_of("PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n"), 413);
  EXPECT_EQ(refusal_of("PUT /unknown HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), 413);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"), 413);
}

TEST_F(RequestCollectorTest, WhatTwoParsersCouldReadDifferentlyIsRefused) {
  std::string const put = "PUT /items/7 HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(refusal_of(put + "Transfer-Encoding: chunked\r\n\r\n"), 411);
  EXPECT_EQ(refusal_of(put + "Transfer-Encoding: Chunked\r\n\r\n"), 411);
  EXPECT_EQ(refusal_of(put + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of(put + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(put + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("PUT /items/7 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(put + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"), 400);
  for (char const* length : {"+3", "-3", "0x3", "3,3", "", "99999999999999999999999"}) {
    EXPECT_EQ(refusal_of(put + "Content-Length: " + length + "\r\n\r\n"), 400) << length;
  }
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\nHost: a\rb\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of(std::string("GET /small HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n", 37)), 400);
}

TEST_F(RequestCollectorTest, RequestLinesMustBePlain) {
  EXPECT_EQ(refusal_of("GET\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / x HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), 400) << "for OPTIONS only";
  EXPECT_EQ(refusal_of("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1x\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / http/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(refusal_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(refusal_of("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of("get / HTTP/1.1\r\nHost: a\r\n\r\n"), 501) << "methods have their case";
  EXPECT_EQ(refusal_of("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"), 0) << "the router's affair";
  EXPECT_EQ(refusal_of(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)), 400)
      << "TLS in clear text";
}

TEST_F(RequestCollectorTest, ATargetThatNamesItsHostCountsMoreThanTheField) {
  auto const head_of = [this](std::string const& bytes) {
    std::optional<Collected> const got = one(bytes);
    return got ? got->head : "refused";
  };
  EXPECT_EQ(head_of("GET HTTP://b:1/small?x=1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"),
            "GET /small?x=1 HTTP/1.1\r\nHost: b:1\r\nX: y\r\n\r\n");
  EXPECT_EQ(head_of("GET https://b?x HTTP/1.1\r\nHost: a\r\n\r\n"),
            "GET /?x HTTP/1.1\r\nHost: b\r\n\r\n");
  EXPECT_EQ(head_of("OPTIONS * HTTP/1.9\r\nHost: a\r\n\r\n"),
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  for (char const* target :
       {"http://", "http:///x", "http://u@b/", "http:/x", "ftp://b/", "//b/"}) {
    bool const path = std::string_view(target).starts_with("/");
    EXPECT_EQ(refusal_of(std::string("GET ") + target + " HTTP/1.1\r\nHost: a\r\n\r\n"),
              path ? 0 : 400)
        << target;
  }
  EXPECT_EQ(refusal_of("PUT http://b/items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\n"), 0)
      << "the limit is that of the path";
}

TEST_F(RequestCollectorTest, ThereIsOneHost) {
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET http://a/small HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\nHost:\r\n\r\n"), 0) << "empty is a value";
  EXPECT_EQ(refusal_of("GET /small HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /small HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
  for (char const* host : {"a b", "a/b", "u@a", "a,b", "a#", "a\\b"})
    EXPECT_EQ(refusal_of(std::string("GET /small HTTP/1.1\r\nHost: ") + host + "\r\n\r\n"), 400)
        << host;
}

TEST_F(RequestCollectorTest, WhoWaitsForA100IsToldSoOnce) {
  std::string const head =
      "PUT /items/7 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ";
  auto const waits = [this](std::string const& bytes) {
    RequestCollector all = collector();
    all.receive(bytes);
    return all.take_expectation() && !all.take_expectation();
  };
  EXPECT_TRUE(waits(head + "3\r\n\r\n"));
  EXPECT_FALSE(waits(head + "3\r\n\r\na")) << "it did not wait";
  EXPECT_FALSE(waits(head + "0\r\n\r\n"));
  EXPECT_FALSE(waits(head + "3\r\n"));
  EXPECT_FALSE(waits("PUT /items/7 HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"));
  EXPECT_FALSE(waits("PUT /items/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
}

}  // namespace
}  // namespace holdfast
