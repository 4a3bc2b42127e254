#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "raw_client.h"
#include "serve/server.h"
#include "test_server.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public TestServer {};

std::string body_of(std::string const& answer) {
  std::size_t const end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

TEST_F(EventLoopTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  add_fast();
  start();
  RawClient client(server_->port());
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    // Fast, general on the loop, and on a worker.
    requests += "GET /project/a" + std::to_string(i) + "/sync HTTP/1.1\r\nHost: a\r\n\r\n";
    requests += "GET /project/b" + std::to_string(i) + "/sync?%20 HTTP/1.1\r\nHost: a\r\n\r\n";
    requests += "GET /blocking?q=c" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  client.send(requests);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(body_of(client.answer()), "a" + std::to_string(i) + " 127.0.0.1");
    EXPECT_EQ(body_of(client.answer()), "b" + std::to_string(i) + " 127.0.0.1");
    EXPECT_EQ(body_of(client.answer()), "c" + std::to_string(i));
  }
  EXPECT_EQ(server_->counters().requests, 300u);
  EXPECT_TRUE(eventually([&] { return server_->counters().buffered_bytes == 0; }));
}

TEST_F(EventLoopTest, RequestsBehindAParkedOneWaitForIt) {
  start();
  RawClient client(server_->port());
  client.send(
      "GET /waits HTTP/1.1\r\nHost: a\r\n\r\nGET /project/after/sync HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_->counters().waiting == 1; }));
  server_->notify("window");
  EXPECT_EQ(server_->counters().waiting, 1u);
  server_->notify("door");
  EXPECT_EQ(body_of(client.answer()), "event");
  EXPECT_EQ(body_of(client.answer()), "after 127.0.0.1");
}

TEST_F(EventLoopTest, AParkedRequestWhoseClientLeavesIsForgotten) {
  start();
  {
    RawClient client(server_->port());
    client.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return server_->counters().waiting == 1; }));
  }
  EXPECT_TRUE(eventually([&] {
    ServerCounters const counters = server_->counters();
    return counters.waiting == 0 && counters.connections_open == 0;
  }));
  EXPECT_EQ(looks_, 1);
}

TEST_F(EventLoopTest, WaitsBeyondTheBoundAreRefusedAndTheConnectionStays) {
  start({.waits_max = 1});
  RawClient first(server_->port());
  first.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_->counters().waiting == 1; }));
  RawClient second(server_->port());
  second.send(
      "GET /waits HTTP/1.1\r\nHost: a\r\n\r\nGET /blocking?q=on HTTP/1.1\r\nHost: a\r\n\r\n");
  std::string const refused = second.answer();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
  EXPECT_NE(refused.find("\r\nRetry-After: "), std::string::npos);
  EXPECT_EQ(body_of(second.answer()), "on");
  EXPECT_EQ(server_->counters().refused_by(Refusal::Overload), 1u);
}

TEST_F(EventLoopTest, WorkBeyondTheQueueIsRefused) {
  start({.worker_count = 1, .queued_max = 0});
  RawClient client(server_->port());
  client.send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 503 "));
}

/// A route that gathers: each answer says how many of its batch had been looked at when it was made.
class GatheringTest : public TestServer {
 protected:
  GatheringTest() {
    router_.add("GET", "/gathers",
                [this](HttpRequest const& request) -> HttpOutcome {
                  if (finished_.exchange(0) > 0) ++batches_;
                  ++looks_;
                  return Later{[this, text = request.query_value("q").value_or("-")] {
                    ++finished_;
                    HttpResponse response;
                    response.body = text;
                    if (text == "throws") throw std::runtime_error("later");
                    return response;
                  }};
                },
                {.gather = true});
  }
  std::atomic<int> finished_{0};
  std::atomic<int> batches_{1};
};

TEST_F(GatheringTest, RequestsOfManyConnectionsAreDoneTogether) {
  start({.worker_count = 1});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(std::make_unique<RawClient>(server_->port()));
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      clients[i]->send("GET /gathers?q=" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      EXPECT_EQ(body_of(clients[i]->answer()), std::to_string(i));
    }
  }
  EXPECT_EQ(looks_, 300);
  EXPECT_LT(batches_, 300) << "no two of them were in one batch";
}

TEST_F(GatheringTest, OneThatThrowsHarmsNoOther) {
  start();
  RawClient one(server_->port());
  RawClient two(server_->port());
  one.send("GET /gathers?q=throws HTTP/1.1\r\nHost: a\r\n\r\n");
  two.send("GET /gathers?q=fine HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(one.answer().starts_with("HTTP/1.1 500 "));
  EXPECT_EQ(body_of(two.answer()), "fine");
  EXPECT_EQ(server_->counters().handler_failures, 1u);
}

TEST_F(GatheringTest, MoreThanTheWorkersTakeIsRefused) {
  start({.worker_count = 1, .queued_max = 0});
  RawClient client(server_->port());
  for (int i = 0; i < 2; ++i) {
    client.send("GET /gathers HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 503 "));
  }
}

TEST_F(GatheringTest, WhatWasGatheredIsAnsweredBeforeTheEnd) {
  start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    clients.back()->send("GET /blocking?q=there HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(body_of(clients.back()->answer()), "there");
  }
  std::uint64_t const before = server_->counters().requests;
  for (auto const& client : clients)
    client->send("GET /gathers?q=last HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_->counters().requests > before; }));
  server_->stop(5s);
  for (auto const& client : clients) {
    std::string const answer = client->answer();
    if (!answer.empty()) {
      EXPECT_EQ(body_of(answer), "last");
    }
  }
  EXPECT_EQ(server_->counters().connections_open, 0u);
}

TEST_F(EventLoopTest, AClientThatNeverReadsIsClosedAtItsDeadline) {
  start({.write_timeout = 100ms});
  RawClient client(server_->port());
  client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] {
    return server_->counters().refused_by(Refusal::TooSlow) == 1 &&
           server_->counters().connections_open == 0;
  }));
  EXPECT_TRUE(eventually([&] { return server_->counters().buffered_bytes == 0; }));
}

TEST_F(EventLoopTest, AClientThatReadsSlowlyGetsEverything) {
  start();
  RawClient client(server_->port());
  client.send(
      "GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET /blocking?q=last HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_->counters().buffered_bytes > 0; }))
      << "the socket took all at once";
  EXPECT_EQ(body_of(client.answer()).size(), 8u << 20);
  EXPECT_EQ(body_of(client.answer()), "last");
}

TEST_F(EventLoopTest, AClientThatAsksBeforeItSendsIsToldToGoOn) {
  router_.add("PUT", "/items",
              [](HttpRequest const& request) {
                HttpResponse response;
                response.body = request.body;
                return response;
              },
              {.body_bytes_max = 100});
  start();
  RawClient client(server_->port());
  client.send(
      "PUT /items HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_EQ(body_of(client.answer()), "abc");
  client.send(
      "PUT /items HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n");
  EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 413 "));
}

// The first pause of the sender used to end the connection, and a reset took the answer with it.
TEST_F(EventLoopTest, ARefusalReachesAClientThatSendsOnMuchLater) {
  router_.add("PUT", "/items", [](HttpRequest const&) { return HttpResponse{}; },
              {.body_bytes_max = 100});
  start();
  RawClient client(server_->port());
  client.send("PUT /items HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 413 "));
  EXPECT_EQ(client.answer(), "") << "the server says that nothing more comes";
  // Few, because it waits for one second only.
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 20; ++j) std::this_thread::yield();
    ASSERT_EQ(::send(client.socket(), "x", 1, MSG_NOSIGNAL), 1) << "reset at " << i;
  }
  client.finish_sending();
  EXPECT_TRUE(eventually([&] { return server_->counters().connections_open == 0; }));
}

TEST_F(EventLoopTest, AnswersThatAreNotReadArePiledUpNoHigherThanTheBound) {
  router_.add("GET", "/large/{n}", [](HttpRequest const&) { return HttpResponse{}; },
              {.on_loop = true});
  router_.add_fast("GET", "/large/{n}", [](FastRequest const&, FastResponse& response) {
    response.body.assign(32 * 1024, 'x');
    return FastOutcome::Answered;
  });
  start();
  RawClient client(server_->port());
  int const few = 16 * 1024;  // Else the kernel may take all that the answers are.
  ASSERT_EQ(::setsockopt(client.socket(), SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
  std::string requests;
  for (int i = 0; i < 400; ++i) requests += "GET /large/1 HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(requests);
  ASSERT_TRUE(eventually([&] { return server_->counters().buffered_bytes > 0; }));
  EXPECT_LT(server_->counters().buffered_bytes, 200u * 1024);
}

TEST_F(EventLoopTest, ABodyThatDoesNotComeIsTimedOut) {
  router_.add("PUT", "/items", [](HttpRequest const&) { return HttpResponse{}; },
              {.body_bytes_max = 100});
  start({.body_timeout = 100ms});
  RawClient client(server_->port());
  client.send("PUT /items HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_TRUE(client.rest().starts_with("HTTP/1.1 408 "));
}

TEST_F(EventLoopTest, IdleConnectionsAreClosedInTime) {
  start({.idle_timeout = 50ms});
  RawClient client(server_->port());
  client.send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(client.rest(), "");
}

TEST_F(EventLoopTest, TheLongestIdleConnectionMakesRoom) {
  start({.loop_count = 1, .connections_max = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    clients.back()->send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(clients.back()->answer().starts_with("HTTP/1.1 200 "));
  }
  EXPECT_EQ(clients[0]->rest(), "") << "the first was idle longest";
  clients[1]->send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(clients[1]->answer().starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(server_->counters().connections_open, 3u);
  EXPECT_EQ(server_->counters().refused_by(Refusal::Connections), 1u);
}

TEST_F(EventLoopTest, ThousandsOfIdleConnectionsHoldNothingUp) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::size_t const count = std::min<std::size_t>(2000, limit.rlim_cur / 2 - 200);
  start({.worker_count = 1});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_->port()));
    if (i % 2 == 0) clients.back()->send("GET /blo");
  }
  RawClient client(server_->port());
  client.send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(eventually([&] { return server_->counters().connections_open == count + 1; }));
}

TEST_F(EventLoopTest, WhileDrainingEveryAnswerAsksForANewConnection) {
  add_fast();
  start();
  server_->drain(0ms);
  for (char const* path : {"/project/a/sync", "/blocking"}) {
    RawClient client(server_->port());
    client.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_NE(client.rest().find("\r\nConnection: close\r\n"), std::string::npos);
  }
}

TEST_F(EventLoopTest, StoppingAnswersWhatIsParkedAndClosesWhatIsIdle) {
  start();
  RawClient idle(server_->port());
  idle.send("GET /blocking HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(idle.answer().starts_with("HTTP/1.1 200 "));
  RawClient parked(server_->port());
  parked.send("GET /waits HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_->counters().waiting == 1; }));
  server_->stop(10s);
  EXPECT_EQ(body_of(parked.rest()), "deadline");
  EXPECT_EQ(idle.rest(), "");
  EXPECT_EQ(server_->counters().connections_open, 0u);
}

TEST_F(EventLoopTest, AHandlerThatThrowsOnTheLoopIsA500AndTheLoopGoesOn) {
  router_.add("GET", "/{what}/throws",
              [](HttpRequest const&) -> HttpOutcome { throw std::runtime_error("general"); },
              {.on_loop = true});
  router_.add_fast("GET", "/{what}/throws", [](FastRequest const&, FastResponse&) -> FastOutcome {
    throw std::runtime_error("fast");
  });
  start();
  RawClient client(server_->port());
  client.send(
      "GET /it/throws HTTP/1.1\r\nHost: a\r\n\r\nGET /blocking?q=on HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(client.answer().starts_with("HTTP/1.1 500 "));
  EXPECT_EQ(body_of(client.answer()), "on");
  EXPECT_GE(server_->counters().handler_failures, 1u);
}

/// Whatever is asked, and whatever takes it: the answer is the same but for its Date.
class SameAnswer : public EventLoopTest, public testing::WithParamInterface<char const*> {
 protected:
  static std::string without_date(std::string text) {
    std::size_t const at = text.find("\r\nDate: ");
    if (at != std::string::npos) text.erase(at, text.find("\r\n", at + 2) - at);
    return text;
  }
  std::string ask() {
    RawClient client(server_->port());
    client.send(GetParam());
    client.finish_sending();
    return without_date(client.rest());
  }
};

TEST_P(SameAnswer, OnTheFastPathAndOnTheGeneralOne) {
  start();
  std::string const general = ask();
  EXPECT_EQ(server_->counters().requests_fast, 0u);
  server_.reset();
  add_fast();
  start();
  EXPECT_EQ(ask(), general);
}

#define HOLDFAST_KEY "/project/aa11/sync"
INSTANTIATE_TEST_SUITE_P(
    Requests, SameAnswer,
    testing::Values(
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nAccept-Encoding: br\r\n\r\n",
        "GET " HOLDFAST_KEY
        "?wait=1&region=eu HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
        "GET " HOLDFAST_KEY
        " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nConnection: te ,\tCLOSE\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\n\r\n", "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost:\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n",
        "GET http://b" HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.7\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY
        " HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
        "GET " HOLDFAST_KEY
        " HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
        "GET " HOLDFAST_KEY "?a?b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY "? HTTP/1.1\r\nHost: a\r\nX:\r\nY: %41\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.0\r\n\r\n",
        "GET /project/%61a/sync HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /project/a+b/sync?x=a+b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /project//sync HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY "#x HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\nHost: a\n\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "GET " HOLDFAST_KEY
        " HTTP/1.1\r\nHost: a\r\nREMOTE_ADDR: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
        "GET  " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\nGET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nIf-Range: \"x\"\r\n\r\n",
        "GET " HOLDFAST_KEY " HTTP/1.1\r\nHost: a\r\n\r\nGET " HOLDFAST_KEY
        " HTTP/1.1\r\nHost: a\r\n\r\ngarbage\r\n\r\n"));

}  // namespace
}  // namespace holdfast
