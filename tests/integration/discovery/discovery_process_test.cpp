#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/discovery/process.h"
#include "registration/api.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

CoreKey const kProject = project_key(7);

std::string first_word_of(std::string const& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

/// The real program with the memory store.
class DiscoveryProcessTest : public testing::Test {
 protected:
  int open_socket(int port) {
    int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? fd : (::close(fd), -1);
  }

  Discovery discovery;
  Node node{1};
};

TEST_F(DiscoveryProcessTest, ANodeIsFoundFromItsRegistrationToItsDeregistration) {
  TrustingClient client = discovery.https();
  EXPECT_EQ(problem_of(client.Get(sync_path(kProject).c_str())), "unknown-key");
  auto const registered = node.register_at(discovery);
  ASSERT_TRUE(registered);
  ASSERT_EQ(registered->status, 200) << registered->body;
  EXPECT_EQ(nlohmann::json::parse(registered->body)["lease"], 60);
  EXPECT_EQ(node.list_project(discovery, kProject)->status, 200);

  auto const found = client.Get(sync_path(kProject).c_str());
  ASSERT_EQ(found->status, 200) << found->body;
  Result<registration::LookupAnswer> const answer =
      registration::lookup_answer_from_json(found->body);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->endpoints[0].replicator, node.keys.public_key);
  EXPECT_EQ(answer->endpoints[0].host, "127.0.0.1") << "filled from the observed address";
  EXPECT_EQ(client.Post(sync_path(kProject).c_str(), "ignored", "text/plain")->status, 200);

  EXPECT_EQ(node.send(discovery, "POST", "/renew", "{}")->status, 200);
  EXPECT_EQ(client.Get(node.path().c_str())->status, 200);
  EXPECT_EQ(node.send(discovery, "DELETE", "", "")->status, 204);
  EXPECT_EQ(problem_of(client.Get(sync_path(kProject).c_str())), "unknown-key");
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/renew", "{}")), "unknown-lease");
}

TEST_F(DiscoveryProcessTest, ANonceCountsOnce) {
  std::string const nonce = discovery.https().Get("/nonce")->get_header_value("Replay-Nonce");
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/renew", "{}", nonce)), "unknown-lease");
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/renew", "{}", nonce)), "bad-nonce");
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/renew", "{}", "AAAA")), "bad-nonce");
}

TEST_F(DiscoveryProcessTest, ErrorsAreProblemDocuments) {
  TrustingClient client = discovery.https();
  EXPECT_EQ(problem_of(client.Get("/project/xyz/sync")), "malformed-key");
  EXPECT_EQ(problem_of(client.Get("/nothing")), "not-found");
  EXPECT_EQ(problem_of(client.Delete("/whoami")), "method-not-allowed");
  EXPECT_EQ(problem_of(client.Put(node.path().c_str(), "{}", "application/json")), "bad-signature");
  EXPECT_EQ(problem_of(client.Get(("/" + std::string(1100, 'a')).c_str())), "target-too-long");
  EXPECT_EQ(problem_of(client.Get("/", {{"X", std::string(9'000, 'a')}})), "headers-too-large");
  EXPECT_EQ(problem_of(client.Put(node.path().c_str(), std::string(9'000, 'a'), "text/plain")),
            "too-large");
  auto const preflight = client.Options(sync_path(kProject).c_str());
  EXPECT_EQ(preflight->status, 204);
  EXPECT_EQ(preflight->get_header_value("Access-Control-Allow-Origin"), "*");
}

TEST_F(DiscoveryProcessTest, WhoamiTellsTheAddressThatWasSeen) {
  auto const answer = discovery.https().Get(
      "/whoami", {{"X-Forwarded-For", "6.6.6.6"}, {"REMOTE_ADDR", "6.6.6.6"}});
  EXPECT_EQ(nlohmann::json::parse(answer->body)["observed_address"], "127.0.0.1");
}

TEST_F(DiscoveryProcessTest, GarbageOnThePortHarmsNobody) {
  for (std::string const& bytes : {std::string(70'000, '\0'), std::string("GET / HTTP/1.1\r\n\r\n"),
                                   std::string("\x16\x03\x01\x40\x00garbage"), std::string()}) {
    int const fd = open_socket(discovery.port);
    ASSERT_GE(fd, 0);
    ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  EXPECT_EQ(discovery.https().Get("/")->status, 200);
}

TEST_F(DiscoveryProcessTest, SilentConnectionsHoldNothingUp) {
  std::vector<int> silent;
  for (int i = 0; i < 100; ++i) silent.push_back(open_socket(discovery.port));
  EXPECT_EQ(discovery.https().Get("/")->status, 200);
  for (int const fd : silent) ::close(fd);
}

TEST_F(DiscoveryProcessTest, MetricsCountOutcomesAndNoKeys) {
  discovery.https().Get(sync_path(kProject).c_str());
  std::string const text = discovery.admin().Get("/metrics")->body;
  EXPECT_NE(text.find("holdfast_discovery_lookups_total{outcome=\"unknown-key\"} 1"),
            std::string::npos);
  EXPECT_NE(text.find("holdfast_discovery_store_up 1"), std::string::npos);
  EXPECT_EQ(text.find(discovery_key_of(kProject).hex()), std::string::npos);
  EXPECT_EQ((discovery.process.output() + discovery.process.errors())
                .find(discovery_key_of(kProject).hex()),
            std::string::npos);
}

TEST_F(DiscoveryProcessTest, SigtermDrains) {
  EXPECT_EQ(discovery.admin().Get("/readyz")->status, 200);
  discovery.process.signal(SIGTERM);
  EXPECT_EQ(discovery.process.wait(3s), 0);
  EXPECT_LT(open_socket(discovery.port), 0);
}

TEST(DiscoveryDrain, ServesButIsNotReadyAndASecondSignalStopsAtOnce) {
  Discovery discovery({"--drain-delay", "1h"});
  discovery.process.signal(SIGTERM);
  httplib::Client admin = discovery.admin();
  EXPECT_EQ(status_within(10s, 503, admin, "/readyz"), 503);
  EXPECT_EQ(discovery.https().Get("/")->status, 200);
  discovery.process.signal(SIGTERM);
  EXPECT_EQ(discovery.process.wait(10s), 1);
}

TEST_F(DiscoveryProcessTest, SighupEndsNothing) {
  discovery.process.signal(SIGHUP);
  EXPECT_EQ(discovery.https().Get("/")->status, 200);
}

TEST(DiscoveryStart, TheCertificateStaysOverRestarts) {
  TemporaryFolder state;
  std::optional<std::string> first;
  {
    Discovery once({}, state.path());
    first = once.process.line_after("certificate sha256 ");
  }
  Discovery again({}, state.path());
  EXPECT_TRUE(first);
  EXPECT_EQ(first, again.process.line_after("certificate sha256 "));
  EXPECT_EQ(again.https().Get("/")->status, 200);
}

TEST(DiscoveryStart, WhatCannotStartSaysWhyInOneLine) {
  TemporaryFolder folder;
  struct Case {
    std::vector<std::string> words;
    int code;
  };
  Discovery running;
  for (Case const& bad :
       {Case{{"--nonsense"}, 2}, Case{{"--lease", "1s"}, 2}, Case{{"--tls-cert", "x"}, 2},
        Case{{"--tls-cert", "x", "--tls-key", "y"}, 1}, Case{{"--public-url", "nonsense"}, 1},
        Case{{"--store", "redis://"}, 1}, Case{{"--store", "mysql://x"}, 2},
        Case{{"--listen", "127.0.0.1:" + std::to_string(running.port)}, 1}}) {
    std::vector<std::string> words = {HOLDFAST_DISCOVERY_PROGRAM, "--state-dir", folder.path(),
                                      "--admin-listen", "127.0.0.1:0"};
    words.insert(words.end(), bad.words.begin(), bad.words.end());
    Process process(words, folder.path() + "/bad");
    EXPECT_EQ(process.wait(10s), bad.code) << bad.words[0];
    std::string const errors = process.errors();
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
  }
}

TEST_F(DiscoveryProcessTest, OrdersNeedTheAdminToken) {
  ASSERT_EQ(node.register_at(discovery)->status, 200);
  std::string const order = R"({"what":")" + node.keys.public_key.hex() + R"("})";
  httplib::Client admin = discovery.admin();
  EXPECT_EQ(admin.Post("/operator/ban", order, "application/json")->status, 401);
  EXPECT_EQ(
      admin.Post("/operator/ban", {{"Authorization", "Bearer wrong"}}, order, "application/json")
          ->status,
      401);
  EXPECT_EQ(discovery.https().Get(node.path().c_str())->status, 200);
  httplib::Headers const token = {
      {"Authorization", "Bearer " + first_word_of(discovery.state_dir + "/admin-token")}};
  EXPECT_EQ(admin.Post("/operator/ban", token, order, "application/json")->status, 204);
  EXPECT_EQ(discovery.https().Get(node.path().c_str())->status, 404);
  EXPECT_EQ(problem_of(node.register_at(discovery, 2)), "denied");
  EXPECT_EQ(discovery.https().Get("/operator/bans")->status, 404) << "not on the public port";
}

TEST(DiscoveryLists, AHangUpReadsTheBanListAgainAndKeepsItWhenItCannotBeRead) {
  TemporaryFolder const folder;
  std::string const list = folder.path() + "/banned";
  std::ofstream(list) << "# nobody yet\n";
  Discovery discovery({"--ban-list", list});
  Node const node(1);
  ASSERT_EQ(node.register_at(discovery)->status, 200);
  std::ofstream(list) << "127.0.0.1\n";
  discovery.process.signal(SIGHUP);
  TrustingClient client = discovery.https();
  EXPECT_EQ(status_within(std::chrono::seconds(10), 404, client, node.path()), 404);
  EXPECT_EQ(problem_of(node.register_at(discovery, 2)), "denied");
  std::ofstream(list) << "nonsense\n";
  discovery.process.signal(SIGHUP);
  discovery.process.signal(SIGHUP);
  EXPECT_EQ(problem_of(node.register_at(discovery, 3)), "denied");
}

}  // namespace
}  // namespace holdfast::test
