#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/discovery/lab_node.h"
#include "integration/discovery/process.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A node that listens, and one project of its own.
struct Member {
  explicit Member(int number)
      : node(Node::numbered(number)),
        lab(node.keys),
        project(project_key(static_cast<Byte>(number))) {}
  Node node;
  LabNode lab;
  CoreKey project;
};

/// Nodes of one service that renew as nodes do, until they are told not to.
class Fleet {
 public:
  Fleet(Discovery const& service, int count) : service_(service) {
    for (int number = 1; number <= count; ++number) {
      members_.push_back(std::make_unique<Member>(number));
      Member const& member = *members_.back();
      auto const answer = member.node.register_as(service_, {.port = member.lab.port()});
      EXPECT_EQ(answer->status, 200) << answer->body;
      EXPECT_EQ(member.node.list_project(service_, member.project)->status, 200);
    }
    renewing_ = count;
    thread_ = std::thread([this] { run(); });
  }
  ~Fleet() {
    over_ = true;
    thread_.join();
  }
  Member& operator[](std::size_t i) { return *members_[i]; }
  std::size_t size() const { return members_.size(); }
  /// From now on only the first `count` renew.
  void renew_first(int count) { renewing_ = count; }

  int status_of(std::size_t i) {
    return service_.https().Get(sync_path(members_[i]->project).c_str())->status;
  }
  int found(std::size_t from, std::size_t to) {
    int sum = 0;
    for (std::size_t i = from; i < to; ++i) sum += status_of(i) == 200 ? 1 : 0;
    return sum;
  }

 private:
  void run() {
    while (!over_) {
      for (int i = 0; i < renewing_ && !over_; ++i)
        members_[static_cast<std::size_t>(i)]->node.send(service_, "POST", "/renew", "{}");
      std::this_thread::sleep_for(300ms);
    }
  }

  Discovery const& service_;
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<int> renewing_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

class Health : public testing::Test {
 protected:
  int metric(std::string const& name) const {
    std::string const text = service.admin().Get("/metrics")->body;
    std::size_t const at = text.find("\nholdfast_discovery_" + name + " ");
    return at == std::string::npos ? 0 : std::stoi(text.substr(text.find(' ', at + 1)));
  }

  Discovery const service{{"--self-test", "on", "--probe-allow", "127.0.0.1/32", "--lease", "3s",
                           "--rate-limit", "off"}};
};

TEST_F(Health, ADeadPortIsOutAfterThreeTestsAndBackAfterTwo) {
  Fleet fleet(service, 4);
  Member& victim = fleet[3];
  ASSERT_EQ(fleet.status_of(3), 200);
  victim.lab.vanish();
  ASSERT_TRUE(within(20s, [&] { return metric("replicators{state=\"out\"}") == 1; }));
  EXPECT_EQ(metric("probes_total{result=\"connect\"}"), 3);
  EXPECT_TRUE(within(2s, [&] { return fleet.status_of(3) == 503; })) << "it still renews";
  EXPECT_EQ(fleet.found(0, 3), 3) << "the others stay";
  auto const told = nlohmann::json::parse(service.https().Get(victim.node.path().c_str())->body);
  EXPECT_EQ(told["listed"], false) << told.dump();

  int const before = victim.lab.handshakes();
  victim.lab.come_back();
  ASSERT_TRUE(within(20s, [&] { return fleet.status_of(3) == 200; }));
  EXPECT_EQ(victim.lab.handshakes(), before + 2);
}

TEST_F(Health, NineOfTenThatReallyDieAreGoneWithinALeaseAndComeBack) {
  Fleet fleet(service, 20);
  ASSERT_EQ(fleet.found(0, 20), 20);
  for (std::size_t i = 2; i < 20; ++i) fleet[i].lab.vanish();
  fleet.renew_first(2);
  Clock::time_point const died = Clock::now();
  EXPECT_TRUE(within(7s, [&] { return fleet.found(2, 20) == 0; }));
  EXPECT_LT(Clock::now() - died, 7s) << "the pause of expiry is for who answers the prober";
  EXPECT_EQ(fleet.found(0, 2), 2);

  for (std::size_t i = 2; i < 20; ++i) fleet[i].lab.come_back();
  for (std::size_t i = 2; i < 20; ++i) {
    // As a node does that was told "unknown lease" or is back from a restart.
    auto const answer = fleet[i].node.register_as(service, {.seq = 2, .port = fleet[i].lab.port()});
    EXPECT_EQ(answer->status, 200) << answer->body;
  }
  fleet.renew_first(20);
  EXPECT_TRUE(within(20s, [&] { return fleet.found(0, 20) == 20; }));
}

// Found here: the guard ended for all when those who had gone made the others fewer than 20.
TEST(HealthGuard, WhenNoRenewalComesInWhoAnswersTheProberStays) {
  Discovery const service({"--self-test", "on", "--probe-allow", "127.0.0.1/32", "--lease", "10s",
                           "--rate-limit", "off"});
  Fleet fleet(service, 22);
  ASSERT_EQ(fleet.found(0, 22), 22);
  fleet.renew_first(0);
  Clock::time_point const silent = Clock::now();
  for (std::size_t i = 11; i < 22; ++i) fleet[i].lab.vanish();
  int least = 11;
  int most_of_the_dead = 0;
  while (Clock::now() - silent < 26s) {
    least = std::min(least, fleet.found(0, 11));
    if (Clock::now() - silent > 21s)
      most_of_the_dead = std::max(most_of_the_dead, fleet.found(11, 22));
  }
  EXPECT_EQ(least, 11) << "who is there stays";
  EXPECT_EQ(most_of_the_dead, 0) << "who is not does not";
  for (std::size_t i = 0; i < 11; ++i)
    EXPECT_EQ(fleet[i].node.register_as(service, {.seq = 2, .port = fleet[i].lab.port()})->status,
              200);
  EXPECT_EQ(fleet.found(0, 11), 11);
}

}  // namespace
}  // namespace holdfast::test
