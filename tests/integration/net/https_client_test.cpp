#include "net/https_client.h"

#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "integration/net/scripted_server.h"
#include "net/registration_client.h"
#include "serve/server.h"

namespace holdfast::net {
namespace {

using test::answer_with;
using test::ScriptedServer;
using test::Then;

std::string const kFine = answer_with(200, "{}");

std::unique_ptr<HttpsClient> client_of(std::uint16_t port, std::string const& pin,
                                       HttpsOptions options = {}) {
  options.trust.pin = Hash::from_hex(pin);
  ServiceUrl const url = *parse_service_url("https://127.0.0.1:" + std::to_string(port));
  return std::move(*HttpsClient::open(url, options));
}
std::unique_ptr<HttpsClient> client_of(ScriptedServer const& server, HttpsOptions options = {}) {
  return client_of(server.port(), server.pin(), options);
}
/// Status, or 0 without an answer.
int status_of(Result<HttpsAnswer> const& answer) { return answer ? answer->status : 0; }
int get(HttpsClient& client) { return status_of(client.send({.target = "/"})); }
int send(HttpsClient& client, std::string const& method, bool repeatable = false) {
  HttpsRequest request{.method = method, .target = "/"};
  if (method == "POST" || method == "PUT") request.body = "{}";
  request.repeatable = repeatable;
  return status_of(client.send(request));
}
std::size_t requests_of(ScriptedServer const& server) { return server.requests().size(); }

// What a service of ours does.

/// A server of ours that counts its requests, and comes back on the port it had.
class OwnServerTest : public testing::Test {
 protected:
  OwnServerTest() : certificate_(*make_or_load_certificate(directory_.path().string(), {})) {
    router_.add("GET", "/", [this](HttpRequest const&) { return counted(); });
    router_.add("POST", "/", [this](HttpRequest const&) { return counted(); },
                {.body_bytes_max = 1'024});
    router_.add("GET", "/held", [this](HttpRequest const&) {
      if (requests_++ == 1) door_.get_future().wait();
      return HttpResponse{};
    });
  }
  HttpResponse counted() {
    ++requests_;
    return {};
  }
  void start(std::chrono::milliseconds idle = std::chrono::seconds(75)) {
    server_.reset();
    ASSERT_TRUE(try_start(idle));
    port_ = server_->port();
  }
  bool try_start(std::chrono::milliseconds idle = std::chrono::seconds(75)) {
    server_ = std::make_unique<HttpServer>(
        router_,
        ServerOptions{
            .port = port_, .certificate = certificate_, .loop_count = 1, .idle_timeout = idle});
    Result<void> const started = server_->start();
    if (!started) last_error_ = started.error().detail;
    return started.ok();
  }
  std::unique_ptr<HttpsClient> client() const { return client_of(port_, certificate_.pin); }
  template <typename Condition>
  static bool eventually(Condition condition) {
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return condition();
  }

  support::TemporaryDirectory directory_;
  CertificateFiles certificate_;
  Router router_;
  std::atomic<int> requests_{0};
  std::promise<void> door_;
  std::string last_error_;
  std::uint16_t port_ = 0;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(OwnServerTest, OneConnectionServesManyRequests) {
  start();
  auto const client = this->client();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get(*client), 200);
  EXPECT_EQ(server_->counters().connections_accepted, 1U);
}

TEST_F(OwnServerTest, AConnectionClosedForIdlenessIsReplacedBeforeTheRequestLeaves) {
  start(std::chrono::milliseconds(50));
  auto const client = this->client();
  ASSERT_EQ(get(*client), 200);
  ASSERT_TRUE(eventually([&] { return server_->counters().connections_open == 0; }));
  EXPECT_EQ(send(*client, "POST"), 200);
  EXPECT_EQ(requests_, 2);
  EXPECT_EQ(server_->counters().connections_accepted, 2U);
}

TEST_F(OwnServerTest, ARestartBetweenTwoRequestsIsNotNoticed) {
  start();
  auto const client = this->client();
  ASSERT_EQ(get(*client), 200);
  start();
  EXPECT_EQ(send(*client, "POST"), 200);
}

TEST_F(OwnServerTest, AServiceThatDiesWithARequestIsAskedAgainWhenItIsBack) {
  start();
  auto const client = this->client();
  ASSERT_EQ(get(*client), 200);
  auto held =
      std::async(std::launch::async, [&] { return status_of(client->send({.target = "/held"})); });
  ASSERT_TRUE(eventually([&] { return requests_ == 2; }));
  // It leaves its port at once and its connections at last, when another one is there already.
  std::unique_ptr<HttpServer> old = std::move(server_);
  auto stopping = std::async(std::launch::async, [&] { old->stop(std::chrono::seconds(0)); });
  ASSERT_TRUE(eventually([&] { return try_start(); })) << last_error_;
  EXPECT_EQ(stopping.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  door_.set_value();
  stopping.get();
  old.reset();
  EXPECT_EQ(held.get(), 200);
  EXPECT_EQ(requests_, 3);
}

// What connections do to requests.

TEST(HttpsClient, WhatEndedWithoutAnAnswerIsAskedOnceMore) {
  for (Then const end : {Then::Notify, Then::Drop, Then::Reset}) {
    ScriptedServer const server({{{kFine}, {"", end}}, {{kFine}}});
    auto const client = client_of(server);
    ASSERT_EQ(get(*client), 200);
    EXPECT_EQ(get(*client), 200) << "end " << static_cast<int>(end);
    EXPECT_EQ(requests_of(server), 3U);
  }
}

TEST(HttpsClient, WhatEndedTwiceWithoutAnAnswerIsNews) {
  ScriptedServer const server({{{kFine}, {"", Then::Drop}}, {{"", Then::Drop}}, {{kFine}}});
  auto const client = client_of(server);
  ASSERT_EQ(get(*client), 200);
  EXPECT_EQ(get(*client), 0);
  EXPECT_EQ(requests_of(server), 3U);
}

TEST(HttpsClient, AFreshConnectionThatEndsIsNews) {
  ScriptedServer const server({{{"", Then::Drop}}, {{kFine}}});
  auto const client = client_of(server);
  EXPECT_EQ(get(*client), 0);
  EXPECT_EQ(requests_of(server), 1U);
  EXPECT_EQ(get(*client), 200);
}

TEST(HttpsClient, APostThatMayHaveBeenCarriedOutIsNotRepeated) {
  for (Then const end : {Then::Notify, Then::Drop, Then::Reset}) {
    ScriptedServer const server({{{kFine}, {"", end}}, {{kFine}}});
    auto const client = client_of(server);
    ASSERT_EQ(get(*client), 200);
    EXPECT_EQ(send(*client, "POST"), 0) << "end " << static_cast<int>(end);
    EXPECT_EQ(requests_of(server), 2U);
  }
}

TEST(HttpsClient, MethodsThatAreIdempotentAndWhatSaysSoAreRepeated) {
  for (std::string const method : {"GET", "PUT", "DELETE", "OPTIONS", "POST"}) {
    ScriptedServer const server({{{kFine}, {"", Then::Drop}}, {{kFine}}});
    auto const client = client_of(server);
    ASSERT_EQ(get(*client), 200);
    EXPECT_EQ(send(*client, method, /*repeatable=*/method == "POST"), 200) << method;
  }
}

TEST(HttpsClient, AnAnswerThatBeganIsNotAskedForAgain) {
  for (std::string const& beginning : {std::string("H"), kFine.substr(0, kFine.size() - 1)}) {
    ScriptedServer const server({{{kFine}, {beginning, Then::Drop}}, {{kFine}}});
    auto const client = client_of(server);
    ASSERT_EQ(get(*client), 200);
    EXPECT_EQ(get(*client), 0);
    EXPECT_EQ(requests_of(server), 2U);
  }
}

TEST(HttpsClient, AKnownEndIsSeenBeforeAPostIsWritten) {
  for (Then const end : {Then::Notify, Then::Drop}) {
    ScriptedServer const server({{{kFine, end}}, {{kFine}}});
    auto const client = client_of(server);
    ASSERT_EQ(get(*client), 200);
    ASSERT_TRUE(server.wait_for_closed(1));
    EXPECT_EQ(send(*client, "POST"), 200) << "end " << static_cast<int>(end);
    EXPECT_EQ(requests_of(server), 2U);
  }
}

TEST(HttpsClient, AnAnswerThatNobodyAskedForIsNotTakenForTheNext) {
  std::string const stray = answer_with(500, "not yours");
  ScriptedServer const server({{{kFine + stray, Then::Notify}}, {{kFine}}});
  auto const client = client_of(server);
  ASSERT_EQ(get(*client), 200);
  ASSERT_TRUE(server.wait_for_closed(1));
  EXPECT_EQ(get(*client), 200);
}

TEST(HttpsClient, AServiceThatIsTooSlowGetsNoSecondLoad) {
  ScriptedServer const server({{{kFine}, {""}}, {{kFine}}});
  HttpsOptions options;
  options.answer_timeout = Duration(200);
  auto const client = client_of(server, options);
  ASSERT_EQ(get(*client), 200);
  EXPECT_EQ(get(*client), 0);
  EXPECT_EQ(requests_of(server), 2U);
}

TEST(HttpsClient, WhatWasCancelledIsNotRepeated) {
  ScriptedServer const server({{{kFine}, {""}}, {{kFine}}});
  auto const client = client_of(server);
  ASSERT_EQ(get(*client), 200);
  auto waiting = std::async(std::launch::async, [&] { return get(*client); });
  while (requests_of(server) < 2) std::this_thread::yield();
  client->cancel();
  EXPECT_EQ(waiting.get(), 0);
  EXPECT_EQ(requests_of(server), 2U);
}

TEST(HttpsClient, WhatCouldNotBeSentWholeIsSentAgain) {
  HttpsRequest large{.method = "POST", .target = "/"};
  large.body.assign(32u << 20, 'x');
  ScriptedServer const server({{{kFine}, {"", Then::Reset, /*head_is_enough=*/true}}, {{kFine}}});
  auto const client = client_of(server);
  ASSERT_EQ(get(*client), 200);
  EXPECT_EQ(status_of(client->send(large)), 200);
  EXPECT_EQ(requests_of(server), 3U);
}

TEST(HttpsClient, AConnectionThatWasResetEndsNoProgram) {
  auto* const before = std::signal(SIGPIPE, SIG_DFL);
  ScriptedServer server({{{kFine, Then::Wait}}, {{kFine}}});
  auto const client = client_of(server);
  ASSERT_EQ(get(*client), 200);
  server.reset_now();
  ASSERT_TRUE(server.wait_for_closed(1));
  EXPECT_EQ(send(*client, "POST"), 200);
  std::signal(SIGPIPE, before);
}

TEST(RegistrationOverLostConnections, ARenewalWhoseAnswerWasLostIsSignedAnew) {
  std::string const lease = R"({"lease":60,"renew_in":20,"projects":0,"state":"active"})";
  std::string const spent = R"({"type":"urn:holdfast:problem:bad-nonce","status":401})";
  ScriptedServer const server({{{answer_with(200, R"({"nonce":"first"})")}, {"", Then::Drop}},
                               {{answer_with(401, spent, "Replay-Nonce: second\r\n")},
                                {answer_with(200, lease, "Replay-Nonce: third\r\n")}}});
  HttpsOptions options;
  options.trust.pin = Hash::from_hex(server.pin());
  ASSERT_TRUE(init_crypto());
  auto const client = std::move(*RegistrationClient::open(
      *parse_service_url("https://127.0.0.1:" + std::to_string(server.port())), options,
      KeyPair::random()));
  Result<registration::LeaseAnswer> const renewed = client->renew({});
  ASSERT_TRUE(renewed) << renewed.error().detail;
  std::vector<std::string> const requests = server.requests();
  ASSERT_EQ(requests.size(), 4U);
  EXPECT_EQ(requests[1], requests[2]) << "the very same bytes: they can count only once";
  EXPECT_NE(requests[3].find("nonce=\"second\""), std::string::npos);
}

}  // namespace
}  // namespace holdfast::net
