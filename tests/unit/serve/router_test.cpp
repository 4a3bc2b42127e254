#include "serve/router.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "serve/problem.h"

namespace holdfast {
namespace {

HttpHandler says(std::string const& text) {
  return [text](HttpRequest const& request) {
    HttpResponse response;
    response.body = text;
    for (auto const& [name, value] : request.params) response.body += " " + name + "=" + value;
    return response;
  };
}

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router.add("GET", "/replicators", says("list"));
    router.add("GET", "/replicators/{id}", says("one"));
    router.add("PUT", "/replicators/{id}", says("put"), {.body_bytes_max = 100});
    router.add("POST", "/project/{key}/sync", says("sync"), {.cors = true});
    router.add("GET", "/", says("root"));
  }

  HttpResponse handle(std::string const& method, std::string const& path) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    return std::get<HttpResponse>(router.handle(request));
  }

  Router router;
};

TEST_F(RouterTest, LiteralsAndParametersAreMatched) {
  EXPECT_EQ(handle("GET", "/").body, "root");
  EXPECT_EQ(handle("GET", "/replicators").body, "list");
  EXPECT_EQ(handle("GET", "/replicators/7").body, "one id=7");
  EXPECT_EQ(handle("POST", "/project/abc/sync").body, "sync key=abc");
}

TEST_F(RouterTest, OtherPathsAreNotFound) {
  for (char const* path : {"", "x", "/x", "/replicators/", "/replicators/7/8", "//",
                           "/project//sync", "/project/a/sync/"}) {
    EXPECT_EQ(handle("GET", path).status, 404) << path;
  }
}

TEST_F(RouterTest, OtherMethodsAreToldWhatIsAllowed) {
  HttpResponse const response = handle("DELETE", "/replicators/7");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.get("allow"), "GET, HEAD, PUT, OPTIONS");
  EXPECT_EQ(response.content_type, "application/problem+json");
}

TEST_F(RouterTest, OnlyCorsRoutesAreOpenToWebPages) {
  EXPECT_EQ(handle("POST", "/project/a/sync").headers.get("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(handle("PUT", "/replicators/7").headers.get("Access-Control-Allow-Origin"),
            std::nullopt);
  HttpResponse const preflight = handle("OPTIONS", "/project/a/sync");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.get("Access-Control-Allow-Methods"), "POST, OPTIONS");
  EXPECT_EQ(handle("OPTIONS", "/replicators/7").headers.get("Access-Control-Allow-Origin"),
            std::nullopt);
  EXPECT_EQ(handle("OPTIONS", "/x").status, 404);
}

TEST_F(RouterTest, BodyLimitsBelongToRoutes) {
  EXPECT_EQ(router.body_bytes_max("PUT", "/replicators/7"), 100u);
  EXPECT_EQ(router.body_bytes_max("GET", "/replicators/7"), 0u);
  EXPECT_EQ(router.body_bytes_max("PUT", "/x"), 0u);
}

TEST_F(RouterTest, FastRoutesAreFoundByTheWholePath) {
  router.add("GET", "/project/{key}/sync", says("sync"), {.cors = true});
  router.add_fast("GET", "/project/{key}/sync", [](FastRequest const&, FastResponse& response) {
    response.body = "fast";
    return FastOutcome::Answered;
  });
  std::string_view param;
  Router::FastRoute const* const found = router.find_fast("/project/abc/sync", param);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(param, "abc");
  EXPECT_TRUE(found->cors);
  for (char const* path : {"/project//sync", "/project/sync", "/project/a/b/sync",
                           "/project/a/sync/", "/projects/a/sync", "/project/a/syncs", "/", ""}) {
    EXPECT_EQ(router.find_fast(path, param), nullptr) << path;
  }
  router.set_guard([](HttpRequest const&) { return std::optional<HttpResponse>(); });
  EXPECT_EQ(router.find_fast("/project/abc/sync", param), nullptr)
      << "the guard sees every request";
}

TEST_F(RouterTest, WhatBlocksIsKeptOffTheLoop) {
  router.add("GET", "/quick/{id}", says("quick"), {.on_loop = true});
  EXPECT_EQ(router.place_of("GET", "/quick/1"), Router::Place::OnLoop);
  EXPECT_EQ(router.place_of("HEAD", "/quick/1"), Router::Place::OnLoop);
  EXPECT_EQ(router.place_of("GET", "/replicators"), Router::Place::Worker);
  EXPECT_EQ(router.place_of("GET", "/nothing"), Router::Place::OnLoop) << "a 404 blocks nobody";
}

TEST(FastRequest, FieldsCompareWithoutCase) {
  FieldView const fields[] = {{"If-None-Match", "\"a\""}, {"if-none-match", "\"b\""}};
  PeerAddress const peer;
  FastRequest const request{.param = "k", .query = "", .peer = peer, .fields = fields};
  EXPECT_EQ(request.header("IF-NONE-MATCH"), "\"a\"");
  EXPECT_EQ(request.header("If-None"), std::nullopt);
}

TEST_F(RouterTest, TheGuardAnswersFirst) {
  router.set_guard([](HttpRequest const& request) -> std::optional<HttpResponse> {
    if (request.path == "/replicators") return HttpResponse{.status = 403};
    return std::nullopt;
  });
  EXPECT_EQ(handle("GET", "/replicators").status, 403);
  EXPECT_EQ(handle("GET", "/").status, 200);
}

TEST(ProblemDocument, CarriesItsFieldsAndRetryAfter) {
  HttpResponse const response =
      to_response(unavailable("The \"store\" is down \xff", std::chrono::seconds(7)));
  nlohmann::json const body = nlohmann::json::parse(response.body);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.get("retry-after"), "7");
  EXPECT_EQ(body["type"], "urn:holdfast:problem:unavailable");
  EXPECT_EQ(body["status"], 503);
  EXPECT_EQ(body["retry_after"], 7);
}

}  // namespace
}  // namespace holdfast
