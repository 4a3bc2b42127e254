#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/discovery/process.h"
#include "registration/api.h"
#include "registration/http_signature.h"
#include "registration/record.h"

namespace holdfast::test {
namespace {

/// A request as it went over the wire, to be sent again, elsewhere or changed.
struct Captured {
  std::string method;
  std::string path;
  std::string body;
  httplib::Headers headers;
};

std::string nonce_of(Discovery const& at) {
  auto const answer = at.https().Get("/nonce");
  return answer ? answer->get_header_value("Replay-Nonce") : std::string();
}

struct Attempt {
  std::uint64_t seq = 1;
  std::string host{};
  std::uint16_t port = 4838;
  std::size_t addresses = 1;
};

Bytes record_of(KeyPair const& keys, Attempt const& claim) {
  registration::Record record;
  record.id = keys.public_key;
  record.seq = claim.seq;
  record.addresses.assign(claim.addresses,
                          {registration::AddressKind::Tcp, claim.host, claim.port, ""});
  Result<registration::SignedRecord> const made = registration::sign_record(record, keys);
  return made ? made->bytes : Bytes{};
}

/// What a signature is meant for.
struct Purpose {
  std::string base;  ///< URL of a service.
  std::string nonce;
};

Captured sign(Node const& node, Purpose const& purpose, std::string method, std::string path,
              std::string body) {
  std::string const uri = purpose.base + path;
  registration::SignatureHeaders const fields = registration::sign_request(
      {.method = method, .target_uri = uri, .body = as_bytes(body)},
      {.created_unix_s = 1, .nonce = purpose.nonce, .key_id = node.keys.public_key}, node.keys);
  return {std::move(method),
          std::move(path),
          std::move(body),
          {{"Content-Digest", fields.content_digest},
           {"Signature-Input", fields.signature_input},
           {"Signature", fields.signature},
           {"Content-Type", "application/json"}}};
}

Captured registration_of(Node const& node, Discovery const& at, Attempt const& claim = {}) {
  return sign(node, {at.base_url(), nonce_of(at)}, "PUT", node.path(),
              registration::to_json(
                  registration::RegistrationRequest{.record = record_of(node.keys, claim)}));
}

httplib::Result send(Discovery const& to, Captured const& what) {
  TrustingClient client = to.https();
  httplib::Request request;
  request.method = what.method;
  request.path = what.path;
  request.body = what.body;
  request.headers = what.headers;
  return client.send(request);
}

nlohmann::json told_of(Discovery const& at, Node const& node) {
  auto const answer = at.https().Get(node.path().c_str());
  return answer ? nlohmann::json::parse(answer->body, nullptr, false) : nlohmann::json();
}

class Attacks : public testing::Test {
 protected:
  Discovery discovery;
  Node const node{1};
};

TEST_F(Attacks, AReplayedRegistrationIsRefused) {
  Captured const captured = registration_of(node, discovery);
  EXPECT_EQ(send(discovery, captured)->status, 200);
  EXPECT_EQ(problem_of(send(discovery, captured)), "bad-nonce");
  ASSERT_EQ(node.send(discovery, "DELETE", "", "")->status, 204);
  EXPECT_EQ(problem_of(send(discovery, captured)), "bad-nonce");
  EXPECT_EQ(told_of(discovery, node).value("status", 0), 404) << "what left stays gone";
}

TEST_F(Attacks, ARegistrationForOneServiceIsWorthNothingAtAnother) {
  Discovery const other;
  Captured const captured = registration_of(node, other);
  std::string const problem = problem_of(send(discovery, captured));
  EXPECT_TRUE(problem == "wrong-target" || problem == "bad-signature") << problem;
  Captured relayed = captured;
  relayed.headers.emplace("Host", "127.0.0.1:" + std::to_string(other.port));
  EXPECT_NE(send(discovery, relayed)->status, 200);
  Captured with_our_nonce =
      sign(node, {other.base_url(), nonce_of(discovery)}, "PUT", node.path(), captured.body);
  EXPECT_NE(send(discovery, with_our_nonce)->status, 200);
}

TEST_F(Attacks, AnOlderRegistrationDoesNotComeBack) {
  Captured const older = registration_of(node, discovery, {.seq = 1, .port = 1111});
  EXPECT_EQ(send(discovery, registration_of(node, discovery, {.seq = 2}))->status, 200);
  EXPECT_EQ(problem_of(send(discovery, older)), "seq-conflict");
  EXPECT_EQ(told_of(discovery, node)["addresses"][0]["port"], 4838);
  EXPECT_EQ(problem_of(send(discovery, registration_of(node, discovery, {.seq = 2, .port = 1111}))),
            "seq-conflict");
}

TEST_F(Attacks, EveryAlteredPartIsNoticed) {
  Node const other(2);
  auto const refused = [&](auto const& alter) {
    Captured captured = registration_of(node, discovery);
    alter(captured);
    auto const answer = send(discovery, captured);
    EXPECT_GE(answer->status, 400) << answer->body;
  };
  refused([](Captured& it) { it.method = "DELETE"; });
  refused([](Captured& it) { it.path += "?force=1"; });
  refused([](Captured& it) { it.path += "/renew", it.method = "POST"; });
  refused([&](Captured& it) { it.path = other.path(); });
  refused([](Captured& it) { it.body += " "; });
  refused([](Captured& it) { it.body = "{}"; });
  for (char const* name : {"Content-Digest", "Signature-Input", "Signature"}) {
    refused([name](Captured& it) { it.headers.erase(name); });
    refused([name](Captured& it) { it.headers.emplace(name, it.headers.find(name)->second); });
    for (std::size_t part = 1; part < 4; ++part) {
      refused([name, part](Captured& it) {
        std::string& value = it.headers.find(name)->second;
        char& letter = value[value.size() * part / 4];
        letter = letter == 'A' ? 'B' : 'A';
      });
    }
  }
  EXPECT_EQ(told_of(discovery, node).value("status", 0), 404);
}

TEST_F(Attacks, NobodyActsForAnotherId) {
  ASSERT_EQ(send(discovery, registration_of(node, discovery))->status, 200);
  Node const thief(2);
  for (auto const& [method, rest] : std::vector<std::pair<std::string, std::string>>{
           {"PUT", ""}, {"DELETE", ""}, {"POST", "/renew"}, {"POST", "/projects"}}) {
    Captured const stolen = sign(thief, {discovery.base_url(), nonce_of(discovery)}, method,
                                 node.path() + rest, method == "DELETE" ? "" : "{}");
    EXPECT_EQ(problem_of(send(discovery, stolen)), "not-yours") << method << rest;
  }
  std::string const body = registration::to_json(
      registration::RegistrationRequest{.record = record_of(node.keys, {.seq = 9})});
  EXPECT_EQ(problem_of(send(discovery, sign(thief, {discovery.base_url(), nonce_of(discovery)},
                                            "PUT", thief.path(), body))),
            "not-yours");
  EXPECT_EQ(told_of(discovery, node)["listed"], true);
}

/// Practice defect 7: one host with many identities and as many keys as each may list locks nobody out.
TEST(AttacksOnRoom, Defect7ManyIdentitiesWithManyKeysLeaveRoomForOthers) {
  Discovery const discovery({"--rate-limit", "off", "--registrations-per-v4-24", "20"});
  int admitted = 0;
  for (int number = 1; number <= 313; ++number) {
    Node const one = Node::numbered(number);
    auto const answer = send(discovery, registration_of(one, discovery));
    if (answer->status != 200) {
      EXPECT_EQ(problem_of(answer), "quota-exceeded");
      EXPECT_FALSE(answer->get_header_value("Retry-After").empty());
      continue;
    }
    ++admitted;
    registration::ProjectsRequest request;
    for (std::size_t i = 0; i < registration::kBatchKeysMax; ++i) {
      registration::ProjectListing listing;
      listing.key.bytes[0] = static_cast<Byte>(number);
      listing.key.bytes[3] = static_cast<Byte>(number >> 8);
      listing.key.bytes[1] = static_cast<Byte>(i);
      listing.key.bytes[2] = static_cast<Byte>(i >> 8);
      request.add.push_back(listing);
    }
    EXPECT_EQ(one.send(discovery, "POST", "/projects", registration::to_json(request))->status,
              200);
  }
  EXPECT_EQ(admitted, 20);
  EXPECT_EQ(send(discovery, registration_of(Node::numbered(1), discovery, {.seq = 2}))->status, 200)
      << "who was there stays";
}

/// A listener on loopback that answers everybody with a redirect to another one.
class Listener {
 public:
  explicit Listener(std::string answer) : answer_(std::move(answer)) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(fd_, 16);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~Listener() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void run() {
    for (int client = 0; (client = ::accept(fd_, nullptr, nullptr)) >= 0;) {
      ++connections_;
      ::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      ::close(client);
    }
  }

  std::string const answer_;
  int fd_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

/// Practice defects 1 and 2: the prober connects to nobody but the source of a registration.
class AttacksOnTheProber : public testing::Test {
 protected:
  Discovery const discovery{{"--self-test", "on", "--probe-allow", "127.0.0.1/32"}};
  Node const node{1};
};

TEST_F(AttacksOnTheProber, Defect1And2EveryRefusedRangeIsRefused) {
  std::uint64_t seq = 0;
  for (char const* host : {"0.0.0.0",
                           "10.0.0.1",
                           "100.64.0.1",
                           "100.100.100.200",
                           "127.0.0.2",
                           "169.254.169.254",
                           "172.16.0.1",
                           "192.168.0.1",
                           "192.0.2.1",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::1",
                           "fe80::1",
                           "fd00:ec2::254",
                           "ff02::1",
                           "::ffff:10.0.0.1",
                           "64:ff9b::a00:1",
                           "2002:a00:1::",
                           "8.8.8.8"}) {
    auto const answer =
        send(discovery, registration_of(node, discovery, {.seq = ++seq, .host = host}));
    EXPECT_EQ(problem_of(answer), "refused-address") << host << answer->body;
  }
  EXPECT_EQ(told_of(discovery, node).value("status", 0), 404) << "nothing of it is kept";
}

TEST_F(AttacksOnTheProber, ANameForARefusedAddressIsRefused) {
  // Both are 127.0.0.2 to the system's resolver, and no literals to ours.
  std::uint64_t seq = 0;
  for (char const* name : {"127.2", "2130706434"}) {
    Listener const listener("");
    auto const answer = send(
        discovery,
        registration_of(node, discovery, {.seq = ++seq, .host = name, .port = listener.port()}));
    EXPECT_EQ(answer->status, 422) << answer->body;
    EXPECT_NE(answer->body.find("leads to 127.0.0.2"), std::string::npos) << answer->body;
    EXPECT_EQ(listener.connections(), 0);
  }
  EXPECT_EQ(told_of(discovery, node)["listed"], false);
}

TEST_F(AttacksOnTheProber, ARedirectIsNotFollowed) {
  Listener const target("");
  Listener const redirect("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" +
                          std::to_string(target.port()) + "/\r\nContent-Length: 0\r\n\r\n");
  auto const answer = send(discovery, registration_of(node, discovery, {.port = redirect.port()}));
  EXPECT_EQ(problem_of(answer), "self-test-failed");
  EXPECT_EQ(redirect.connections(), 1);
  EXPECT_EQ(target.connections(), 0);
}

TEST_F(AttacksOnTheProber, WhatFailedIsNeverInAnAnswer) {
  Listener const nothing("");
  CoreKey const project = project_key(7);
  EXPECT_EQ(problem_of(send(discovery, registration_of(node, discovery, {.port = nothing.port()}))),
            "self-test-failed");
  node.list_project(discovery, project);
  EXPECT_NE(discovery.https().Get(sync_path(project).c_str())->status, 200);
  EXPECT_EQ(
      nlohmann::json::parse(discovery.https().Get("/replicators")->body)["replicators"].size(), 0u);
}

/// Practice defect 3: neither bodies nor address lists grow without bound.
TEST_F(Attacks, Defect3BodiesHeadersAndListsAreBounded) {
  // The service may have closed before all was sent; then the client sees no answer.
  auto const is_refused = [](httplib::Result const& answer, int status) {
    return !answer || answer->status == status;
  };
  std::string const much(64 * 1024, 'a');
  EXPECT_TRUE(
      is_refused(discovery.https().Put(node.path().c_str(), much, "application/json"), 413));
  EXPECT_TRUE(is_refused(discovery.https().Get("/", {{"X", much}}), 431));
  EXPECT_TRUE(record_of(node.keys, {.addresses = 9}).empty());
  registration::ProjectsRequest request;
  request.add.resize(registration::kBatchKeysMax + 1);
  ASSERT_EQ(send(discovery, registration_of(node, discovery))->status, 200);
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/projects", registration::to_json(request))),
            "too-large");
}

TEST_F(Attacks, SlowBodiesDelayNobody) {
  std::promise<void> promise;
  std::shared_future<void> const over = promise.get_future().share();
  std::atomic<int> started{0};
  std::vector<std::thread> slow;
  for (int i = 0; i < 40; ++i) {
    slow.emplace_back([&] {
      TrustingClient client = discovery.https();
      client.Put(
          node.path().c_str(), 1'000,
          [&](std::size_t offset, std::size_t, httplib::DataSink& sink) {
            if (offset == 0) {
              ++started;
              return sink.write("{", 1);
            }
            over.wait();
            return false;
          },
          "application/json");
    });
  }
  while (started < 40) std::this_thread::yield();
  EXPECT_EQ(send(discovery, registration_of(node, discovery))->status, 200);
  EXPECT_EQ(discovery.https().Get("/whoami")->status, 200);
  promise.set_value();
  for (std::thread& each : slow) each.join();
}

TEST(AttacksOnNonces, NoncesCannotBeExhausted) {
  Discovery const discovery({"--rate-limit", "off"});
  Node const node(1);
  std::string const early = nonce_of(discovery);
  TrustingClient client = discovery.https();
  client.set_keep_alive(true);
  for (int i = 0; i < 3'000; ++i) ASSERT_EQ(client.Get("/nonce")->status, 200);
  // Nor can a stranger spend those of others: only a right signature spends one.
  Captured forged = sign(node, {discovery.base_url(), early}, "PUT", node.path(), "{}");
  forged.body = "[]";
  EXPECT_EQ(problem_of(send(discovery, forged)), "bad-digest");
  std::string const body =
      registration::to_json(registration::RegistrationRequest{.record = record_of(node.keys, {})});
  EXPECT_EQ(
      send(discovery, sign(node, {discovery.base_url(), early}, "PUT", node.path(), body))->status,
      200);
}

/// Practice defects 4, 11 and 12: what a client says of its own address counts nowhere.
TEST_F(Attacks, Defect4And11And12ForwardedHeadersFromStrangersCountNowhere) {
  Captured captured = registration_of(node, discovery);
  for (char const* name : {"X-Forwarded-For", "X-Real-IP", "REMOTE_ADDR", "CF-Connecting-IP"})
    captured.headers.emplace(name, "8.8.8.8");
  captured.headers.emplace("Forwarded", "for=8.8.8.8");
  auto const answer = send(discovery, captured);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(nlohmann::json::parse(answer->body)["observed_address"], "127.0.0.1");
  EXPECT_EQ(told_of(discovery, node)["observed_address"], "127.0.0.1");
}

/// Practice defect 8: renewals do not add up.
TEST(AttacksOnLeases, Defect8ManyRenewalsGrantOneLease) {
  Discovery const discovery({"--lease", "20s"});
  Node const node(1);
  ASSERT_EQ(send(discovery, registration_of(node, discovery))->status, 200);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(node.send(discovery, "POST", "/renew", "{}")->status, 200);
  EXPECT_LE(told_of(discovery, node)["expires_in"].get<int>(), 20);
}

}  // namespace
}  // namespace holdfast::test
