#include "discovery/http/admission.h"

#include "registration/base64.h"
#include "unit/discovery_http/registration_fixture.h"

namespace holdfast::discovery {
namespace {

class AdmissionTest : public RegistrationFixture {
 protected:
  static AdmissionOptions mode(RegistrationMode mode) {
    AdmissionOptions options;
    options.mode = mode;
    return options;
  }
  static AdmissionFiles tokens(std::vector<std::string> list) {
    AdmissionFiles files;
    files.tokens = std::move(list);
    return files;
  }
  std::string invite() { return body_of(order("invite", nlohmann::json::object()))["invite"]; }
};

TEST_F(AdmissionTest, ATokenIsNeededWhereTheOperatorSaysSo) {
  serve(mode(RegistrationMode::Token), tokens({"old", "new"}));
  EXPECT_EQ(type_of(register_node({})), "denied");
  EXPECT_EQ(type_of(register_node({.token = "ne"})), "denied");
  EXPECT_EQ(register_node({.token = "new"}).status, 200);
  EXPECT_EQ(register_node({.node = 2, .token = "old"}).status, 200);
  EXPECT_EQ(register_node({.seq = 2}).status, 200) << "it was admitted before";
}

TEST_F(AdmissionTest, ATokenOpensOtherPublicAddressesAndNoMore) {
  serve({}, tokens({"secret"}));
  EXPECT_EQ(type_of(register_node({.host = "198.41.0.5"})), "refused-address");
  EXPECT_EQ(register_node({.host = "198.41.0.5", .token = "secret"}).status, 200);
  EXPECT_EQ(type_of(register_node({.node = 2, .host = "10.0.0.1", .token = "secret"})),
            "refused-address");
  EXPECT_TRUE(admission->is_trusted(pair_of(1).public_key)) << "for the tests to come";
}

TEST_F(AdmissionTest, OnlyWhoIsOnTheListRegisters) {
  AdmissionFiles files;
  files.allowed = *parse_id_list(id_of(1) + "\n198.41.7.0/24");
  serve(mode(RegistrationMode::AllowList), files);
  EXPECT_EQ(register_node({}).status, 200);
  EXPECT_EQ(register_node({.node = 2, .from = "198.41.7.9"}).status, 200);
  EXPECT_EQ(type_of(register_node({.node = 3})), "denied");
}

TEST_F(AdmissionTest, AnInviteIsGoodForOneAndOnce) {
  serve(mode(RegistrationMode::Invite));
  EXPECT_EQ(type_of(register_node({})), "denied");
  std::string const code = invite();
  EXPECT_EQ(register_node({.token = code}).status, 200);
  EXPECT_EQ(type_of(register_node({.node = 2, .token = code})), "denied");
  EXPECT_EQ(register_node({.seq = 2}).status, 200);
}

TEST_F(AdmissionTest, AnInvitedNodeIsKnownByItsReceiptAfterAFlush) {
  serve(mode(RegistrationMode::Invite));
  Bytes const receipt = *registration::from_base64url(
      body_of(register_node({.token = invite()}))["receipt"].get<std::string>(), 128);
  restart();
  EXPECT_EQ(type_of(register_node({})), "denied");
  EXPECT_EQ(register_node({.receipt = receipt}).status, 200);
}

TEST_F(AdmissionTest, AnInviteIsNotUsedUpByWhoIsRefusedAnyway) {
  serve(mode(RegistrationMode::Invite));
  std::string const code = invite();
  order("ban", {{"what", id_of(2)}});
  EXPECT_EQ(type_of(register_node({.node = 2, .token = code})), "denied");
  EXPECT_EQ(register_node({.token = code}).status, 200);
}

TEST_F(AdmissionTest, AnInviteEnds) {
  serve(mode(RegistrationMode::Invite));
  std::string const code = body_of(order("invite", {{"seconds", 10}}))["invite"];
  now_ms += 10'000;
  EXPECT_EQ(type_of(register_node({.token = code})), "denied");
}

TEST_F(AdmissionTest, ABanEndsARegistrationAndEverythingElse) {
  serve();
  register_node({});
  EXPECT_EQ(order("ban", {{"what", id_of(1)}, {"reason", "spam"}}).status, 204);
  EXPECT_EQ(get("/replicators/" + id_of(1)).status, 404);
  for (HttpResponse const& response : {register_node({}), renew(1), list_keys(1, 1, 1)}) {
    EXPECT_EQ(response.status, 403);
    EXPECT_NE(body_of(response)["detail"].get<std::string>().find("spam"), std::string::npos);
  }
  EXPECT_EQ(order("unban", {{"what", id_of(1)}}).status, 204);
  EXPECT_EQ(register_node({}).status, 200);
  EXPECT_EQ(order("unban", {{"what", id_of(1)}}).status, 404);
}

TEST_F(AdmissionTest, ABannedNetworkIsOutWhateverTheIdIs) {
  serve();
  register_node({});
  register_node({.node = 2, .from = "198.41.1.4"});
  EXPECT_EQ(order("ban", {{"what", "198.41.0.0/24"}}).status, 204);
  EXPECT_EQ(get("/replicators/" + id_of(1)).status, 404);
  EXPECT_EQ(get("/replicators/" + id_of(2)).status, 200);
  EXPECT_EQ(type_of(register_node({.node = 3, .from = "198.41.0.200"})), "denied");
  EXPECT_EQ(type_of(register_node({.node = 3, .from = "::ffff:198.41.0.200"})), "denied");
  EXPECT_EQ(body_of(get("/whoami"))["may_register"], false);
}

TEST_F(AdmissionTest, TheBanListIsReadAgain) {
  serve();
  register_node({});
  AdmissionFiles files;
  files.banned = *parse_id_list("198.41.0.0/24");
  admission->set_files(files);
  admission->drop_banned();
  EXPECT_EQ(get("/replicators/" + id_of(1)).status, 404);
  EXPECT_EQ(type_of(register_node({})), "denied");
  EXPECT_EQ(body_of(get("/operator/bans"))["bans"].size(), 1u);
}

TEST_F(AdmissionTest, ANetworkHasRoomForSoMany) {
  AdmissionOptions options;
  options.per_v4_24_max = 3;
  options.per_v6_64_max = 2;
  options.per_v6_48_max = 3;
  serve(options);
  unsigned node = 0;
  auto const from = [&](std::string source) {
    return register_node({.node = ++node, .from = std::move(source)}).status;
  };
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(from("198.41.0." + std::to_string(i)), 200);
  EXPECT_EQ(from("198.41.0.250"), 403);
  EXPECT_EQ(from("198.41.1.1"), 200);
  EXPECT_EQ(from("2600:1:2:3::1"), 200);
  EXPECT_EQ(from("2600:1:2:3::2"), 200);
  EXPECT_EQ(from("2600:1:2:3::3"), 403);
  EXPECT_EQ(from("2600:1:2:4::1"), 200);
  EXPECT_EQ(from("2600:1:2:5::1"), 403) << "the /48 is full";
  EXPECT_EQ(register_node({.node = 1, .from = "198.41.0.1", .seq = 2}).status, 200)
      << "who is there stays";
  EXPECT_EQ(send(2, "DELETE", "", "", "198.41.0.2").status, 204);
  EXPECT_EQ(from("198.41.0.9"), 200) << "who leaves makes room";
}

TEST_F(AdmissionTest, ALabHasNoQuota) {
  AdmissionOptions options;
  options.per_v4_24_max = 1;
  options.policy = AddressPolicy({*IpNetwork::parse("127.0.0.0/8")}, {});
  serve(options);
  for (unsigned node = 1; node <= 5; ++node)
    EXPECT_EQ(register_node({.node = node, .from = "127.0.0.1"}).status, 200);
}

/// Practice defect 7: 313 identities, each with as many keys as it may, must not lock others out.
TEST_F(AdmissionTest, Defect7ManyIdentitiesOfOneHostLockNobodyOut) {
  serve();
  int admitted = 0;
  for (unsigned node = 1; node <= 313; ++node) {
    if (register_node({.node = node}).status != 200) continue;
    ++admitted;
    EXPECT_EQ(list_keys(node, static_cast<Byte>(node), 1'000).status, 200);
  }
  EXPECT_EQ(admitted, 64);
  EXPECT_EQ(register_node({.node = 1'000, .from = "198.41.9.9"}).status, 200);
  EXPECT_EQ(list_keys(1'000, 1, 1'000).status, 200);
}

TEST_F(AdmissionTest, AQuotaOfKeysHoldsForItsReplicator) {
  serve();
  register_node({});
  register_node({.node = 2});
  EXPECT_EQ(order("quota", {{"id", id_of(1)}, {"keys", 5}}).status, 204);
  EXPECT_EQ(list_keys(1, 1, 5).status, 200);
  EXPECT_EQ(list_keys(1, 1, 5).status, 200) << "the same keys again";
  EXPECT_EQ(type_of(list_keys(1, 2, 1)), "quota-exceeded");
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["projects"], 5) << "and none of it is kept";
  EXPECT_EQ(body_of(send(1, "POST", "/renew", "{}"))["keys_max"], 5);
  EXPECT_EQ(list_keys(2, 1, 6).status, 200);
  EXPECT_EQ(order("quota", {{"id", id_of(1)}}).status, 204);
  EXPECT_EQ(list_keys(1, 2, 1).status, 200);
}

TEST_F(AdmissionTest, WhatIsListedStaysListedWhenTheQuotaIsRefusedOrLowered) {
  serve();
  register_node({});
  ASSERT_EQ(list_keys(1, 1, 5).status, 200);
  EXPECT_EQ(order("quota", {{"id", id_of(1)}, {"keys", 5}}).status, 204);
  EXPECT_EQ(type_of(list_keys(1, 1, 6)), "quota-exceeded") << "five that are listed and a new one";
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["projects"], 5);
  EXPECT_EQ(order("quota", {{"id", id_of(1)}, {"keys", 2}}).status, 204);
  EXPECT_EQ(list_keys(1, 1, 5).status, 200) << "nothing new";
  EXPECT_EQ(type_of(list_keys(1, 2, 1)), "quota-exceeded");
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["projects"], 5);
}

TEST_F(AdmissionTest, KeysWithTooManyHostsAreNamed) {
  store_options.hosts_per_key_max = 1;
  serve();
  register_node({.node = 1});
  register_node({.node = 2});
  EXPECT_FALSE(body_of(list_keys(1, 1, 2)).contains("refused"));
  Result<registration::ProjectsAnswer> const answer =
      registration::projects_answer_from_json(list_keys(2, 1, 3).body);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->projects, 1U);
  ASSERT_EQ(answer->refused.size(), 2U);
  EXPECT_EQ(answer->refused[1].bytes[1], 1);
}

TEST_F(AdmissionTest, AnOperatorDrainsAndBringsBack) {
  serve();
  register_node({});
  EXPECT_EQ(order("drain", {{"id", id_of(1)}}).status, 204);
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["listed"], false) << "at once";
  EXPECT_EQ(body_of(renew(1))["state"], "draining");
  EXPECT_EQ(body_of(register_node({.seq = 2}))["state"], "draining");
  EXPECT_EQ(order("drain", {{"id", id_of(1)}, {"drain", false}}).status, 204);
  EXPECT_EQ(body_of(renew(1))["state"], "active");
  EXPECT_EQ(body_of(get("/replicators/" + id_of(1)))["listed"], true);
}

TEST_F(AdmissionTest, OrdersThatCannotBeReadAreRefused) {
  serve();
  HttpRequest request;
  request.method = "POST";
  for (char const* action : {"ban", "unban", "drain", "quota", "invite"}) {
    for (char const* body : {"[", "[]", "7", R"({"what":7,"id":7,"seconds":-1,"keys":"x"})"}) {
      request.path = request.target = std::string("/operator/") + action;
      request.body = body;
      EXPECT_EQ(std::get<HttpResponse>(router->handle(request)).status, 400) << action << body;
    }
  }
  EXPECT_EQ(order("ban", {{"what", "everybody"}}).status, 400);
}

TEST_F(AdmissionTest, TheOperatorSeesWhatIsNotListedAndWhy) {
  serve();
  register_node({}, /*passes=*/false);
  nlohmann::json const all = body_of(get("/operator/replicators"));
  ASSERT_EQ(all["replicators"].size(), 1u);
  EXPECT_EQ(all["replicators"][0]["health"]["self_test"], "failed");
  EXPECT_EQ(get("/operator/replicators/" + id_of(1)).status, 200);
  EXPECT_EQ(get("/operator/replicators/" + id_of(2)).status, 404);
}

TEST_F(AdmissionTest, TheLimitsAreTold) {
  serve(mode(RegistrationMode::Invite));
  nlohmann::json const told = body_of(get("/v1/info"));
  EXPECT_EQ(told["registration"], "invite");
  EXPECT_EQ(told["self_test"], true);
  EXPECT_EQ(told["limits"]["registration_bytes"], 8192);
}

}  // namespace
}  // namespace holdfast::discovery
