#include "discovery/probe/prober.h"

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "crypto/keys.h"
#include "wire/transport.h"

namespace holdfast::discovery {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

KeyPair pair_of(Byte number) {
  Seed seed;
  seed.bytes.fill(number);
  return KeyPair::from_seed(seed);
}

IpAddress ip(char const* text) { return IpAddress::parse(text).value_or(IpAddress{}); }

/// Accepts on a loopback address and does to each connection what it is told, on a thread of its own.
class FakeNode {
 public:
  enum class Manner { Noise, Silent, Garbage, HangsUp };
  explicit FakeNode(KeyPair const& pair, Manner manner = Manner::Noise,
                    char const* host = "127.0.0.1")
      : pair_(pair), manner_(manner), acceptor_(io_, {asio::ip::make_address(host), 0}) {
    port_ = acceptor_.local_endpoint().port();
    thread_ = std::thread([this] { run(); });
  }
  ~FakeNode() {
    stopping_ = true;
    {
      asio::io_context io;
      tcp::socket waker(io);
      boost::system::error_code ignored;
      waker.connect(acceptor_.local_endpoint(), ignored);
    }
    thread_.join();
  }
  std::uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }

 private:
  void run() {
    while (true) {
      auto socket = std::make_shared<tcp::socket>(io_);
      boost::system::error_code failure;
      acceptor_.accept(*socket, failure);
      if (stopping_ || failure) return;
      ++accepted_;
      if (manner_ == Manner::Noise) serve(*socket);
      if (manner_ == Manner::Garbage) {
        asio::write(*socket,
                    asio::buffer(
                        std::string("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")),
                    failure);
      }
      if (manner_ == Manner::Silent || manner_ == Manner::Garbage) held_.push_back(socket);
    }
  }
  void serve(tcp::socket& socket) {
    wire::Transport transport(wire::Role::Responder, pair_, wire::TransportOptions{});
    std::vector<Byte> buffer(2048);
    boost::system::error_code failure;
    while (true) {
      Bytes const output = transport.take_output();
      if (!output.empty()) asio::write(socket, asio::buffer(output), failure);
      std::size_t const bytes = socket.read_some(asio::buffer(buffer), failure);
      if (failure || !transport.receive(ByteView(buffer.data(), bytes)).ok()) return;
    }
  }

  KeyPair pair_;
  Manner manner_;
  asio::io_context io_;
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::vector<std::shared_ptr<tcp::socket>> held_;
  std::thread thread_;
};

registration::Address tcp_address(std::string host, std::uint16_t port) {
  return {.kind = registration::AddressKind::Tcp, .host = std::move(host), .port = port, .url = ""};
}

class ProberTest : public testing::Test {
 protected:
  ProberTest() { EXPECT_TRUE(init_crypto().ok()); }

  AddressPolicy lab() const {
    return AddressPolicy({*IpNetwork::parse("127.0.0.0/8"), *IpNetwork::parse("::1/128")}, {});
  }
  ProbeReport test(std::vector<registration::Address> addresses, AddressPolicy policy,
                   std::string observed = "127.0.0.1", bool may_name_others = false) {
    Prober prober(std::move(policy), options);
    return ask(prober, std::move(addresses), std::move(observed), may_name_others);
  }
  ProbeReport ask(Prober& prober, std::vector<registration::Address> addresses,
                  std::string observed = "127.0.0.1", bool may_name_others = false) {
    std::promise<ProbeReport> promise;
    prober.probe({.id = node.public_key,
                  .addresses = std::move(addresses),
                  .observed_host = std::move(observed),
                  .may_name_others = may_name_others},
                 [&promise](ProbeReport report) { promise.set_value(std::move(report)); });
    return promise.get_future().get();
  }

  KeyPair const node = pair_of(1);
  ProberOptions options;
};

TEST_F(ProberTest, TheRightKeyAtTheRightPlacePasses) {
  FakeNode const there(node);
  ProbeReport const report = test({tcp_address("", there.port())}, lab());
  EXPECT_TRUE(report.passed()) << report.transcript;
  EXPECT_EQ(there.accepted(), 1);
}

TEST_F(ProberTest, AnotherNodesKeyDoesNotPass) {
  FakeNode const there(pair_of(2));
  ProbeReport const report = test({tcp_address("127.0.0.1", there.port())}, lab());
  EXPECT_EQ(report.step, ProbeStep::Key);
  EXPECT_EQ(report.transcript.find(pair_of(2).public_key.hex()), std::string::npos);
}

TEST_F(ProberTest, EveryAddressMustPass) {
  FakeNode const good(node);
  FakeNode const bad(node, FakeNode::Manner::HangsUp);
  ProbeReport const report =
      test({tcp_address("127.0.0.1", good.port()), tcp_address("127.0.0.1", bad.port())}, lab());
  EXPECT_EQ(report.step, ProbeStep::Handshake);
  EXPECT_NE(report.transcript.find(std::to_string(bad.port())), std::string::npos);
}

TEST_F(ProberTest, SilenceAndOtherProtocolsFailAtTheHandshake) {
  options.handshake_max = Duration(50);
  FakeNode const silent(node, FakeNode::Manner::Silent);
  EXPECT_EQ(test({tcp_address("", silent.port())}, lab()).step, ProbeStep::Handshake);
  FakeNode const web(node, FakeNode::Manner::Garbage);
  EXPECT_EQ(test({tcp_address("", web.port())}, lab()).step, ProbeStep::Handshake);
}

TEST_F(ProberTest, ARedirectLeadsNowhere) {
  FakeNode const elsewhere(node);
  FakeNode const web(node, FakeNode::Manner::Garbage);
  EXPECT_FALSE(test({tcp_address("", web.port())}, lab()).passed());
  EXPECT_EQ(elsewhere.accepted(), 0);
}

TEST_F(ProberTest, AClosedPortAndASilentOneReadTheSame) {
  options.connect_max = Duration(50);
  std::uint16_t closed = 0;
  {
    FakeNode const gone(node);
    closed = gone.port();
  }
  ProbeReport const report = test({tcp_address("", closed)}, lab());
  EXPECT_EQ(report.step, ProbeStep::Connect);
  EXPECT_NE(report.transcript.find("nothing accepts there"), std::string::npos);
}

TEST_F(ProberTest, ANameIsResolvedOnceAndWhatWasCheckedIsDialled) {
  FakeNode const there(node);
  auto const calls = std::make_shared<std::atomic<int>>(0);
  options.lookup = [calls](std::string const&) -> std::vector<IpAddress> {
    // The second answer leads elsewhere, as an attacker's DNS would.
    return {++*calls == 1 ? ip("127.0.0.1") : ip("169.254.169.254")};
  };
  ProbeReport const report = test({tcp_address("node.example.org", there.port())}, lab());
  EXPECT_TRUE(report.passed()) << report.transcript;
  EXPECT_EQ(*calls, 1);
  EXPECT_EQ(there.accepted(), 1);
}

TEST_F(ProberTest, ANameThatLeadsInsideIsRefusedBeforeAnyDial) {
  FakeNode const there(node);
  options.lookup = [](std::string const&) -> std::vector<IpAddress> { return {ip("127.0.0.1")}; };
  ProbeReport const report =
      test({tcp_address("node.example.org", there.port())}, AddressPolicy(), "198.41.0.4");
  EXPECT_EQ(report.step, ProbeStep::Refused);
  EXPECT_EQ(there.accepted(), 0);
}

TEST_F(ProberTest, ANameWithoutAddressFailsToResolve) {
  options.lookup = [](std::string const&) { return std::vector<IpAddress>(); };
  EXPECT_EQ(test({tcp_address("nowhere.example.org", 1)}, lab()).step, ProbeStep::Resolve);
}

TEST_F(ProberTest, AResolverThatHangsIsGivenUp) {
  options.whole_max = Duration(50);
  std::promise<void> release;
  std::shared_future<void> const released = release.get_future().share();
  options.lookup = [released](std::string const&) {
    released.wait();
    return std::vector<IpAddress>();
  };
  Prober prober(lab(), options);
  EXPECT_EQ(ask(prober, {tcp_address("slow.example.org", 1)}).step, ProbeStep::Resolve);
  release.set_value();
}

TEST_F(ProberTest, ATargetWithoutBudgetIsNotDialled) {
  options.targets.targets_max = 0;
  ProbeReport const report = test({tcp_address("", 1)}, AddressPolicy(), "198.41.0.4");
  EXPECT_EQ(report.step, ProbeStep::Skipped);
}

TEST(TargetLimiter, ABurstThenOneForEachInterval) {
  TargetLimiter limiter({.burst = 2, .every = Duration(1'000), .targets_max = 2});
  Instant const start{Duration(10'000)};
  EXPECT_TRUE(limiter.take(ip("198.41.0.4"), start));
  EXPECT_TRUE(limiter.take(ip("198.41.0.4"), start));
  EXPECT_FALSE(limiter.take(ip("198.41.0.4"), start));
  EXPECT_FALSE(limiter.take(ip("198.41.0.4"), start + Duration(999)));
  EXPECT_TRUE(limiter.take(ip("198.41.0.4"), start + Duration(1'000)));
}

TEST(TargetLimiter, AHouseWithManyAddressesIsOneTarget) {
  TargetLimiter limiter({.burst = 1, .every = Duration(1'000), .targets_max = 9});
  EXPECT_TRUE(limiter.take(ip("2600::1"), Instant()));
  EXPECT_FALSE(limiter.take(ip("2600::2"), Instant()));
  EXPECT_TRUE(limiter.take(ip("2600:0:0:1::1"), Instant()));
}

TEST(TargetLimiter, MemoryIsBoundedAndIdleTargetsAreForgotten) {
  TargetLimiter limiter({.burst = 1, .every = Duration(1'000), .targets_max = 2});
  EXPECT_TRUE(limiter.take(ip("198.41.0.1"), Instant()));
  EXPECT_TRUE(limiter.take(ip("198.41.0.2"), Instant()));
  EXPECT_FALSE(limiter.take(ip("198.41.0.3"), Instant()));
  EXPECT_EQ(limiter.size(), 2u);
  EXPECT_TRUE(limiter.take(ip("198.41.0.3"), Instant(Duration(1'000))));
  EXPECT_EQ(limiter.size(), 1u);
}

ProbePlan plan(std::vector<IpAddress> found, char const* observed, bool may_name_others = false,
               AddressPolicy const& policy = {}) {
  ProbeTarget const target{.id = {},
                           .addresses = {tcp_address("n.example.org", 4838)},
                           .observed_host = observed,
                           .may_name_others = may_name_others};
  return plan_probe(target, {{target.addresses[0], 4838, std::move(found)}}, policy);
}

TEST(ProbePlan, WithoutATokenOnlyTheSourceIsDialled) {
  EXPECT_EQ(plan({ip("198.41.0.4")}, "198.41.0.4").dials.size(), 1u);
  EXPECT_TRUE(plan({ip("198.41.0.5")}, "198.41.0.4").refused);
  EXPECT_TRUE(plan({ip("198.41.0.4"), ip("198.41.0.5")}, "198.41.0.4").refused);
  EXPECT_FALSE(plan({ip("198.41.0.5")}, "198.41.0.4", true).refused);
  EXPECT_TRUE(plan({ip("10.0.0.1")}, "198.41.0.4", true).refused) << "a token opens no network";
}

TEST(ProbePlan, TheOtherFamilyComesBehindOneThatPassed) {
  ProbePlan const both = plan({ip("2600::1"), ip("198.41.0.4")}, "198.41.0.4");
  ASSERT_EQ(both.dials.size(), 2u);
  EXPECT_EQ(both.dials[0].ip, ip("198.41.0.4"));
  EXPECT_TRUE(both.dials[1].other_family);
}

TEST(ProbePlan, ALabIsOpenOnlyToItself) {
  AddressPolicy const policy({*IpNetwork::parse("10.0.0.0/8")}, {});
  EXPECT_FALSE(plan({ip("10.0.0.2")}, "10.0.0.1", false, policy).refused);
  EXPECT_TRUE(plan({ip("10.0.0.2")}, "198.41.0.4", false, policy).refused);
}

TEST(ProbePlan, TooManyAddressesAreRefused) {
  std::vector<IpAddress> found(kDialsMax + 1, ip("198.41.0.4"));
  EXPECT_TRUE(plan(found, "198.41.0.4").refused);
}

}  // namespace
}  // namespace holdfast::discovery
