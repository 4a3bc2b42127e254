#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "integration/discovery/process.h"
#include "integration/discovery/wire_client.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

CoreKey const kProject = project_key(9);

/// What a client of two instances behind one name saw.
struct Tally {
  std::atomic<int> answered{0};
  std::atomic<int> failed{0};
  std::atomic<int> asked_to_leave{0};
};

/// A client that keeps its connection, goes where the balancer sends it, and leaves when it is asked to.
void look_up(std::atomic<int> const& port, std::atomic<bool> const& over, Tally& tally) {
  std::optional<WireClient> client;
  std::string const request = get_request(sync_path(kProject));
  while (!over) {
    if (!client) client.emplace(port.load());
    std::string const answer = client->ok() && client->send(request) ? client->answer() : "";
    ++(status_of(answer) == 200 ? tally.answered : tally.failed);
    bool const leave = field_of(answer, "Connection") == "close";
    if (leave) ++tally.asked_to_leave;
    if (leave || answer.empty()) client.reset();
  }
}

TEST(Shutdown, UnderLoadNoLookUpFails) {
  Redis const redis;
  std::vector<std::string> const words = {"--store",       redis.url(), "--rate-limit", "off",
                                          "--drain-delay", "1s",        "--grace",      "5s"};
  Discovery leaving(words);
  Discovery const staying(words);
  Node const node(1);
  ASSERT_EQ(node.register_at(leaving)->status, 200);
  ASSERT_EQ(node.list_project(leaving, kProject)->status, 200);
  for (Discovery const* const each : std::array<Discovery const*, 2>{&staying, &leaving}) {
    TrustingClient client = each->https();
    ASSERT_EQ(status_within(2s, 200, client, sync_path(kProject)), 200);
  }

  std::atomic<int> port = leaving.port;
  std::atomic<bool> over = false;
  Tally tally;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) clients.emplace_back([&] { look_up(port, over, tally); });
  EXPECT_TRUE(within(
      30s, [&] { return tally.answered + tally.failed >= 400; }, 1ms));
  EXPECT_EQ(tally.asked_to_leave, 0);

  leaving.process.signal(SIGTERM);
  // The balancer: it asks for readiness, and sends new connections elsewhere when it is off.
  httplib::Client admin = leaving.admin();
  EXPECT_EQ(status_within(900ms, 503, admin, "/readyz"), 503);
  int const while_draining = tally.answered;
  EXPECT_EQ(status_of([&] {
              WireClient late(leaving.port);
              late.send(get_request(sync_path(kProject)));
              return late.answer();
            }()),
            200)
      << "it goes on answering, new connections too";
  port = staying.port;
  EXPECT_EQ(leaving.process.wait(10s), 0);
  int const afterwards = tally.answered;
  EXPECT_TRUE(within(
      30s, [&] { return tally.answered >= afterwards + 400 || tally.failed > 0; }, 1ms));
  over = true;
  for (std::thread& each : clients) each.join();
  EXPECT_EQ(tally.failed, 0) << "of " << tally.answered;
  EXPECT_GE(tally.asked_to_leave, 8) << "each of them once";
  EXPECT_GT(afterwards, while_draining);
}

/// A signed GET that waits for assignments, as bytes.
std::string long_poll(Node const& node, Discovery const& at) {
  std::string const path = node.path() + "/assignments?wait=30";
  std::string text = "GET " + path + " HTTP/1.1\r\nHost: a\r\n";
  for (auto const& [name, value] : node.signature_of(at, "GET", "/assignments?wait=30", ""))
    text += name + ": " + value + "\r\n";
  return text + "\r\n";
}

TEST(Shutdown, RequestsInHandAreAnswered) {
  Discovery discovery({"--grace", "10s", "--drain-delay", "200ms"});
  Node const node(1);
  ASSERT_EQ(node.register_at(discovery)->status, 200);
  WireClient parked(discovery.port);
  ASSERT_TRUE(parked.send(long_poll(node, discovery)));
  WireClient half(discovery.port);
  ASSERT_TRUE(
      half.send("PUT " + node.path() + " HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{"));
  WireClient idle(discovery.port);
  ASSERT_TRUE(idle.send(get_request("/")));
  ASSERT_EQ(status_of(idle.answer()), 200);
  httplib::Client admin = discovery.admin();
  ASSERT_TRUE(within(10s, [&] {
    httplib::Result const said = admin.Get("/metrics");
    return said && said->body.find("holdfast_discovery_waiting_requests 1") != std::string::npos;
  }));

  Clock::time_point const start = Clock::now();
  discovery.process.signal(SIGTERM);
  std::string const answer = parked.answer();
  EXPECT_EQ(status_of(answer), 200) << answer;
  EXPECT_EQ(field_of(answer, "Connection"), "close");
  EXPECT_LT(Clock::now() - start, 9s) << "not at the end of its wait";
  EXPECT_EQ(idle.rest(), "");
  EXPECT_TRUE(idle.ended_well()) << "said with TLS, not only by closing";
  EXPECT_FALSE(WireClient(discovery.port).ok()) << "accepts nobody new";
  ASSERT_TRUE(half.send("}"));
  EXPECT_GE(status_of(half.answer()), 400) << "an answer, although a refusal: it is not signed";
  EXPECT_EQ(discovery.process.wait(5s), 0);
}

TEST(Shutdown, WhoNeverFinishesIsNotWaitedForLongerThanTheGrace) {
  Discovery discovery({"--grace", "1s"});
  WireClient slow(discovery.port);
  ASSERT_TRUE(slow.send("PUT /replicators/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"));
  discovery.process.signal(SIGTERM);
  EXPECT_EQ(discovery.process.wait(5s), 0);
}

TEST(Shutdown, WithoutAStoreItEndsToo) {
  Redis redis;
  Discovery discovery({"--store", redis.url(), "--grace", "1s"});
  redis.kill();
  discovery.process.signal(SIGTERM);
  EXPECT_EQ(discovery.process.wait(5s), 0);
}

class SecondSignal : public testing::TestWithParam<int> {};

TEST_P(SecondSignal, EndsAtOnceWhateverItIsDoing) {
  Discovery discovery({"--drain-delay", "1h", "--grace", "1h"});
  discovery.process.signal(SIGTERM);
  httplib::Client admin = discovery.admin();
  ASSERT_EQ(status_within(5s, 503, admin, "/readyz"), 503);
  discovery.process.signal(SIGHUP);
  EXPECT_EQ(discovery.https().Get("/")->status, 200) << "a hang-up is no second signal";
  discovery.process.signal(GetParam());
  EXPECT_EQ(discovery.process.wait(2s), 1);
}

INSTANTIATE_TEST_SUITE_P(Signals, SecondSignal, testing::Values(SIGTERM, SIGINT),
                         [](auto const& signal) {
                           return signal.param == SIGTERM ? "Sigterm" : "Sigint";
                         });

}  // namespace
}  // namespace holdfast::test
