#include "registration/base64.h"
#include "unit/discovery_http/registration_fixture.h"

namespace holdfast::discovery {
namespace {

class SelfTestRoutes : public RegistrationFixture {
 protected:
  SelfTestRoutes() { serve(); }
};

TEST_F(SelfTestRoutes, WhatPassesIsListed) {
  HttpResponse const response = register_node({});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(body_of(response)["listed"], true);
  EXPECT_TRUE(response.headers.get("Replay-Nonce"));
  EXPECT_EQ(body_of(get("/replicators"))["replicators"].size(), 1u);
}

TEST_F(SelfTestRoutes, AfterAWhileTheAnswerIsThatTheTestGoesOn) {
  HttpRequest request = put_request({});
  ASSERT_TRUE(std::holds_alternative<WaitFor>(router->handle(request)));
  request.call = Call::Deadline;
  HttpResponse const response = std::get<HttpResponse>(router->handle(request));
  EXPECT_EQ(response.status, 202);
  EXPECT_EQ(response.headers.get("Location"), "/replicators/" + id_of(1));
  EXPECT_EQ(body_of(response)["listed"], false);
  EXPECT_EQ(renew(1).status, 200) << "it may renew meanwhile";
  EXPECT_EQ(list_keys(1, 1, 1).status, 200) << "and send its keys";
  EXPECT_EQ(body_of(get("/replicators"))["replicators"].size(), 0u);
}

TEST_F(SelfTestRoutes, AnEventForAnOlderTestIsNoAnswerYet) {
  HttpRequest request = put_request({});
  ASSERT_TRUE(std::holds_alternative<WaitFor>(router->handle(request)));
  request.call = Call::Event;
  EXPECT_TRUE(std::holds_alternative<WaitFor>(router->handle(request)));
}

TEST_F(SelfTestRoutes, WhatFailsIsToldWhyAndNotListed) {
  HttpResponse const response = register_node({}, /*passes=*/false);
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(type_of(response), "self-test-failed");
  EXPECT_EQ(body_of(response)["transcript"], "connect failed");
  EXPECT_EQ(body_of(response)["observed_address"], kHome);
  EXPECT_TRUE(response.headers.get("Retry-After"));
  nlohmann::json const told = body_of(get("/replicators/" + id_of(1)));
  EXPECT_EQ(told["listed"], false);
  EXPECT_EQ(told["reason"], "the self-test failed: connect failed");
  EXPECT_EQ(body_of(get("/replicators"))["replicators"].size(), 0u);
}

/// Practice defect 5: failed tests must never lock a node out for ever.
TEST_F(SelfTestRoutes, Defect5WhatFailedManyTimesMayTryAgain) {
  for (int i = 0; i < 50; ++i) EXPECT_EQ(register_node({}, false).status, 422);
  EXPECT_EQ(register_node({}).status, 200);
}

TEST_F(SelfTestRoutes, TheSameRecordIsNotTestedTwice) {
  register_node({});
  EXPECT_EQ(register_node({}).status, 200);
  EXPECT_EQ(tests->begun, 1);
}

TEST_F(SelfTestRoutes, AnotherAddressIsAnotherTest) {
  register_node({});
  HttpRequest request = put_request({.seq = 2, .port = 4839});
  EXPECT_TRUE(std::holds_alternative<WaitFor>(router->handle(request)));
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["listed"], false);
}

TEST_F(SelfTestRoutes, TheSameRecordFromElsewhereIsAnotherTest) {
  register_node({});
  HttpRequest request = put_request({.from = "198.41.0.5"});
  EXPECT_TRUE(std::holds_alternative<WaitFor>(router->handle(request)));
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["listed"], false);
}

TEST_F(SelfTestRoutes, AnAnswerToAHeldRequestSpendsNoSecondNonce) {
  HttpRequest request = put_request({});
  router->handle(request);
  tests->end(pair_of(1).public_key, true);
  request.call = Call::Event;
  EXPECT_EQ(std::get<HttpResponse>(router->handle(request)).status, 200);
  request.call = Call::First;
  EXPECT_EQ(type_of(std::get<HttpResponse>(router->handle(request))), "bad-nonce");
}

TEST_F(SelfTestRoutes, AReceiptListsAtOnceAfterAFlush) {
  Bytes const receipt =
      *registration::from_base64url(body_of(register_node({}))["receipt"].get<std::string>(), 128);
  restart();
  HttpResponse const response = register_node({.receipt = receipt});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(body_of(response)["listed"], true);
  EXPECT_EQ(tests->begun, 0);
  EXPECT_EQ(store->find(pair_of(1).public_key)->health.last_pass_unix_ms, 0u)
      << "so that it is tested soon";
}

TEST_F(SelfTestRoutes, AnothersReceiptListsNobody) {
  Bytes const receipt =
      *registration::from_base64url(body_of(register_node({}))["receipt"].get<std::string>(), 128);
  restart();
  for (Put const& put :
       {Put{.node = 2, .receipt = receipt}, Put{.seq = 2, .port = 1, .receipt = receipt},
        Put{.from = "198.41.0.5", .seq = 3, .receipt = receipt}}) {
    HttpRequest request = put_request(put);
    EXPECT_TRUE(std::holds_alternative<WaitFor>(router->handle(request)));
  }
}

TEST_F(SelfTestRoutes, NoReceiptBeforeATestHasPassed) {
  EXPECT_FALSE(body_of(register_node({}, false)).contains("receipt"));
}

class RefusedAddress : public SelfTestRoutes, public testing::WithParamInterface<char const*> {};

/// Practice defects 1 and 2: nobody makes the service knock at a door that is not its own.
TEST_P(RefusedAddress, IsNeitherTestedNorKept) {
  HttpResponse const response = register_node({.host = GetParam()});
  EXPECT_EQ(response.status, 422) << response.body;
  EXPECT_EQ(type_of(response), "refused-address");
  EXPECT_EQ(tests->begun, 0);
  EXPECT_EQ(get("/replicators/" + id_of(1)).status, 404);
}

INSTANTIATE_TEST_SUITE_P(Defect1And2, RefusedAddress,
                         testing::Values("127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1",
                                         "192.168.1.1", "169.254.169.254", "100.64.0.1",
                                         "100.100.100.200", "224.0.0.1", "255.255.255.255",
                                         "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1",
                                         "fd00:ec2::254", "ff02::1", "2001:db8::1",
                                         "::ffff:127.0.0.1", "64:ff9b::7f00:1",
                                         "2002:7f00:1::", "198.41.0.5"));

TEST_F(SelfTestRoutes, WebSocketAddressesAreHeldToTheSameRules) {
  EXPECT_EQ(type_of(register_node({.url = "ws://127.0.0.1:6379/"})), "refused-address");
  EXPECT_EQ(type_of(register_node({.url = "wss://169.254.169.254/latest"})), "refused-address");
}

TEST_F(SelfTestRoutes, APrivateSourceIsToldByWhoami) {
  EXPECT_EQ(body_of(get("/whoami"))["may_register"], true);
  nlohmann::json const told = body_of(get("/whoami", "10.0.0.1"));
  EXPECT_EQ(told["may_register"], false);
  EXPECT_NE(told["reason"].get<std::string>().find("private"), std::string::npos);
}

TEST_F(SelfTestRoutes, WithoutSelfTestsWhatRegistersIsListed) {
  serve({}, {}, /*with_tests=*/false);
  HttpResponse const response = register_node({.host = "10.0.0.1"});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(body_of(response)["listed"], true);
}

TEST_F(SelfTestRoutes, ARenewalIsGoodOnce) {
  register_node({});
  HttpRequest request = signed_request(1, "POST", "/renew", "{}", kHome);
  EXPECT_EQ(response_of(router->handle(request)).status, 200);
  EXPECT_EQ(type_of(response_of(router->handle(request))), "bad-nonce");
}

/// Practice defect 8: a renewal grants one lease from now, however many came before.
TEST_F(SelfTestRoutes, Defect8RenewalsDoNotAddUp) {
  register_node({});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(renew(1).status, 200);
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["expires_in"], 60);
  now_ms += 60'000;
  EXPECT_EQ(type_of(renew(1)), "unknown-lease");
}

}  // namespace
}  // namespace holdfast::discovery
