#include "discovery/http/rate_limit.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/random.h"
#include "discovery/http/rate_limiter.h"

namespace holdfast::discovery {
namespace {

constexpr RateBudget kTenPerSecond{.per_second = 10, .burst = 5};

Instant at(std::int64_t ms) { return Instant(Duration(1'000'000 + ms)); }
IpAddress ip(std::string const& text) { return *IpAddress::parse(text); }

class GcraTableTest : public testing::Test {
 protected:
  bool ask(std::int64_t ms, std::string const& from = "192.0.2.1",
           RateKind kind = RateKind::NotFound) {
    return !table.charge(ip(from), kind, kTenPerSecond, at(ms)).is_refused;
  }
  int ask_times(int count, std::int64_t ms) {
    int admitted = 0;
    for (int i = 0; i < count; ++i) admitted += ask(ms) ? 1 : 0;
    return admitted;
  }
  GcraTable table{1'024, 42};
};

TEST_F(GcraTableTest, ABurstAndThenTheAverage) {
  EXPECT_EQ(ask_times(20, 0), 5);
  EXPECT_FALSE(ask(99));
  EXPECT_TRUE(ask(100));
  EXPECT_FALSE(ask(101));
  EXPECT_EQ(ask_times(20, 10'000), 5) << "unused budget does not pile up";
}

TEST_F(GcraTableTest, OverALongTimeOnlyTheAverageCounts) {
  int admitted = 0;
  for (std::int64_t ms = 0; ms < 100'000; ms += 7) admitted += ask(ms) ? 1 : 0;
  EXPECT_NEAR(admitted, 1'000, 6);
}

TEST_F(GcraTableTest, RefusedRequestsCostNothing) {
  ask_times(5, 0);
  EXPECT_EQ(ask_times(1'000, 50), 0);
  EXPECT_TRUE(ask(100));
}

TEST_F(GcraTableTest, RetryAfterIsWhenOneMoreFitsAndGrowsWithPersistence) {
  ask_times(5, 0);
  RateVerdict const first =
      table.charge(ip("192.0.2.1"), RateKind::NotFound, kTenPerSecond, at(40));
  ASSERT_TRUE(first.is_refused);
  EXPECT_EQ(first.retry_after, Duration(60));
  for (int i = 0; i < 9; ++i) ask(40);
  EXPECT_EQ(table.peek(ip("192.0.2.1"), RateKind::NotFound, kTenPerSecond, at(40)).retry_after,
            Duration(10'060));
  for (int i = 0; i < 1'000; ++i) ask(40);
  EXPECT_EQ(table.peek(ip("192.0.2.1"), RateKind::NotFound, kTenPerSecond, at(40)).retry_after,
            Duration(60'060))
      << "bounded";
  EXPECT_TRUE(ask(200));
  EXPECT_LE(table.peek(ip("192.0.2.1"), RateKind::NotFound, {10, 1}, at(200)).retry_after,
            Duration(1'000))
      << "and forgiven";
}

TEST_F(GcraTableTest, RemainingCountsDown) {
  std::vector<std::uint64_t> remaining;
  for (int i = 0; i < 6; ++i) {
    remaining.push_back(
        table.charge(ip("192.0.2.1"), RateKind::NotFound, kTenPerSecond, at(0)).remaining);
  }
  EXPECT_EQ(remaining, (std::vector<std::uint64_t>{4, 3, 2, 1, 0, 0}));
}

TEST_F(GcraTableTest, NetworksAndKindsDoNotShare) {
  ask_times(5, 0);
  EXPECT_FALSE(ask(0));
  EXPECT_TRUE(ask(0, "192.0.2.2"));
  EXPECT_TRUE(ask(0, "192.0.2.1", RateKind::Renewal));
}

TEST_F(GcraTableTest, PeekChangesNothing) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(table.peek(ip("192.0.2.1"), RateKind::NotFound, kTenPerSecond, at(0)).is_refused);
  }
  EXPECT_EQ(ask_times(20, 0), 5);
}

TEST_F(GcraTableTest, AFloodOfAddressesDoesNotPushOutWhoIsOverItsBudget) {
  GcraTable small(64, 7);
  for (int i = 0; i < 5; ++i) small.charge(ip("192.0.2.1"), RateKind::Read, kTenPerSecond, at(0));
  SeededRng rng(1);
  for (int i = 0; i < 20; ++i) {
    std::string const other = "10.0." + std::to_string(rng.below(256)) + "." + std::to_string(i);
    small.charge(ip(other), RateKind::Read, kTenPerSecond, at(0));
  }
  EXPECT_TRUE(small.charge(ip("192.0.2.1"), RateKind::Read, kTenPerSecond, at(0)).is_refused);
}

/// A naive model beside it: at most burst + rate * time in any window.
TEST_F(GcraTableTest, NoWindowHoldsMoreThanBurstAndAverage) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    GcraTable fresh(64, seed);
    SeededRng rng(seed);
    std::vector<std::int64_t> admitted;
    std::int64_t now = 0;
    for (int i = 0; i < 300; ++i) {
      now += static_cast<std::int64_t>(rng.below(150));
      if (!fresh.charge(ip("192.0.2.1"), RateKind::Read, kTenPerSecond, at(now)).is_refused) {
        admitted.push_back(now);
      }
    }
    for (std::size_t from = 0; from < admitted.size(); ++from) {
      for (std::size_t to = from; to < admitted.size(); ++to) {
        std::int64_t const span = admitted[to] - admitted[from];
        ASSERT_LE(to - from + 1, 5 + static_cast<std::size_t>(span) * 10 / 1'000 + 1) << seed;
      }
    }
  }
}

class RateLimiterTest : public testing::Test {
 protected:
  static RateLimiterOptions options(RateMode mode = RateMode::Enforce) {
    RateLimiterOptions out;
    out.mode = mode;
    out.budgets.read = kTenPerSecond;
    out.waiting_max = 3;
    out.buckets = 1'024;
    return out;
  }
  static int admitted(RateLimiter& limiter, std::string const& from, int count) {
    int out = 0;
    for (int i = 0; i < count; ++i) {
      out += limiter.charge(ip(from), RateKind::Read, at(0)).is_refused ? 0 : 1;
    }
    return out;
  }
};

TEST_F(RateLimiterTest, OneIpv6NetworkIsOneClient) {
  RateLimiter limiter(options());
  EXPECT_EQ(admitted(limiter, "2001:db8::1", 3), 3);
  EXPECT_EQ(admitted(limiter, "2001:db8::ffff:2", 10), 2) << "the same /64";
  EXPECT_EQ(admitted(limiter, "2001:db8:0:1::1", 10), 5) << "another /64";
}

TEST_F(RateLimiterTest, ManySubnetsOfOneSiteHaveABudgetTogether) {
  RateLimiter limiter(options());
  int sum = 0;
  for (int net = 0; net < 100; ++net) {
    sum += admitted(limiter, "2001:db8:0:" + std::to_string(net) + "::1", 5);
  }
  EXPECT_EQ(sum, 5 * static_cast<int>(kWideFactor));
  EXPECT_EQ(admitted(limiter, "2001:db8:1::1", 5), 5) << "another /48";
}

TEST_F(RateLimiterTest, MeasureCountsWhatEnforceWouldRefuse) {
  RateLimiter measure(options(RateMode::Measure));
  RateLimiter enforce(options());
  EXPECT_EQ(admitted(measure, "192.0.2.1", 20), 20);
  EXPECT_EQ(admitted(enforce, "192.0.2.1", 20), 5);
  EXPECT_EQ(measure.counters().refused, enforce.counters().refused);
  EXPECT_EQ(measure.counters().admitted, enforce.counters().admitted);
  EXPECT_EQ(enforce.counters().refused[static_cast<std::size_t>(RateKind::Read)], 15u);
}

TEST_F(RateLimiterTest, OffAndExemptNetworksAreNotLimited) {
  RateLimiter off(options(RateMode::Off));
  EXPECT_EQ(admitted(off, "192.0.2.1", 20), 20);
  RateLimiterOptions exempting = options();
  exempting.exempt = {*IpNetwork::parse("192.0.2.0/24")};
  RateLimiter limiter(exempting);
  EXPECT_EQ(admitted(limiter, "192.0.2.9", 20), 20);
  EXPECT_EQ(admitted(limiter, "198.51.100.9", 20), 5);
  EXPECT_FALSE(limiter.charge(std::nullopt, RateKind::Read, at(0)).is_refused);
}

TEST_F(RateLimiterTest, HeldRequestsAreBoundedPerNetwork) {
  RateLimiter limiter(options());
  auto const client = ip("192.0.2.1");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.begin_wait(client, at(0)));
  EXPECT_FALSE(limiter.begin_wait(client, at(0)));
  EXPECT_TRUE(limiter.begin_wait(ip("192.0.2.2"), at(0)));
  limiter.end_wait(client, at(0));
  EXPECT_TRUE(limiter.begin_wait(client, at(0)));
  EXPECT_TRUE(limiter.begin_wait(client, at(240'000))) << "who left is forgotten";
}

TEST_F(RateLimiterTest, TopTalkersAreSumsOfTheLastMinute) {
  RateLimiter limiter(options());
  admitted(limiter, "192.0.2.1", 7);
  admitted(limiter, "192.0.2.2", 2);
  admitted(limiter, "192.0.2.3", 4);
  EXPECT_EQ(limiter.top_talkers(2, at(60'000)), (std::vector<std::uint64_t>{7, 4}));
  EXPECT_TRUE(limiter.top_talkers(2, at(180'000)).empty());
}

TEST_F(RateLimiterTest, A429SaysWhenAndHowMuch) {
  RateVerdict const verdict{.is_refused = true, .retry_after = Duration(2'500)};
  HttpResponse const response = rate_limited_response(RateKind::Read, {10, 50}, verdict);
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.get("RateLimit-Policy"), "\"read\";q=50;w=5");
  EXPECT_EQ(response.headers.get("RateLimit"), "\"read\";r=0;t=3");
  int const retry = std::stoi(std::string(*response.headers.get("Retry-After")));
  EXPECT_GE(retry, 3);
  EXPECT_LE(retry, 4);
}

TEST_F(RateLimiterTest, RenewalsAreNotStarvedByWhatElseGoesOn) {
  RateLimiterOptions tight = options();
  tight.budgets.write = {1, 2};
  RateLimiter limiter(tight);
  Router router;
  auto const fine = [](HttpRequest const&) { return HttpResponse{}; };
  for (char const* const path : {"/nonce", "/replicators", "/replicators/{id}/assignments"}) {
    router.add("GET", path, fine);
  }
  for (char const* const path : {"/replicators/{id}/renew", "/replicators/{id}/projects"}) {
    router.add("POST", path, fine);
  }
  limit_routes(router, limiter, [] { return at(0); });
  auto const ask = [&](std::string const& method, std::string const& path) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.peer = {"192.0.2.1", 1, ip("192.0.2.1")};
    return std::get<HttpResponse>(router.handle(request)).status;
  };
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask("GET", "/replicators"), 200);
  EXPECT_EQ(ask("GET", "/replicators"), 429);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask("POST", "/replicators/a/projects"), 200);
  EXPECT_EQ(ask("POST", "/replicators/a/projects"), 429);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(ask("POST", "/replicators/a/renew"), 200);
    ASSERT_EQ(ask("GET", "/replicators/a/assignments"), 200);
    ASSERT_EQ(ask("GET", "/nonce"), 200);
  }
}

TEST_F(RateLimiterTest, AHandlerIsAskedOnlyWithinItsBudget) {
  RateLimiter limiter(options());
  int calls = 0;
  HttpHandler const handler = limited(
      limiter, RateKind::Read, [] { return at(0); },
      [&calls](HttpRequest const&) {
        ++calls;
        return HttpResponse{};
      });
  HttpRequest request;
  request.peer = {"192.0.2.1", 1, ip("192.0.2.1")};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(std::get<HttpResponse>(handler(request)).status, 200);
  EXPECT_EQ(std::get<HttpResponse>(handler(request)).status, 429);
  HttpRequest exempt = request;
  exempt.peer = {"", 0, std::nullopt};
  EXPECT_FALSE(std::get<HttpResponse>(handler(exempt)).headers.get("RateLimit"));
  request.call = Call::Event;
  EXPECT_EQ(std::get<HttpResponse>(handler(request)).status, 200) << "was charged when it came";
  EXPECT_EQ(calls, 7);
}

}  // namespace
}  // namespace holdfast::discovery
