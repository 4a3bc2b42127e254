#include <chrono>
#include <csignal>
#include <string>

#include <gtest/gtest.h>

#include "integration/discovery/process.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

CoreKey const kProject = project_key(8);

/// Redis tells an instance what changed by a message, also the one that wrote it.
void expect_found_soon(Discovery const& at) {
  TrustingClient client = at.https();
  EXPECT_EQ(status_within(2s, 200, client, sync_path(kProject)), 200);
}

TEST(DiscoveryOnRedis, TwoInstancesAreOneService) {
  Redis redis;
  Discovery one({"--store", redis.url()});
  Discovery two({"--store", redis.url()});
  Node const node(2);
  EXPECT_EQ(node.register_at(one)->status, 200);
  EXPECT_EQ(node.list_project(two, kProject)->status, 200);
  expect_found_soon(one);
  expect_found_soon(two);

  std::string const nonce = one.https().Get("/nonce")->get_header_value("Replay-Nonce");
  EXPECT_EQ(node.send(two, "POST", "/renew", "{}", nonce)->status, 200);
  EXPECT_EQ(problem_of(node.send(one, "POST", "/renew", "{}", nonce)), "bad-nonce")
      << "spent at the other instance";
  EXPECT_EQ(node.send(two, "DELETE", "", "")->status, 204);
  EXPECT_TRUE(
      within(2s, [&] { return one.https().Get(sync_path(kProject).c_str())->status != 200; }));
}

TEST(DiscoveryOnRedis, AfterAFlushANodeIsToldAndComesBack) {
  Redis redis;
  Discovery discovery({"--store", redis.url()});
  Node const node(3);
  EXPECT_EQ(node.register_at(discovery)->status, 200);
  EXPECT_EQ(node.list_project(discovery, kProject)->status, 200);
  std::string const before = discovery.https().Get("/nonce")->get_header_value("Replay-Nonce");
  redis.flush_all();
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/renew", "{}", before)), "bad-nonce")
      << "its secret died with the store";
  EXPECT_EQ(problem_of(discovery.https().Get(sync_path(kProject).c_str())), "recovering");
  EXPECT_EQ(problem_of(node.send(discovery, "POST", "/renew", "{}")), "unknown-lease");
  EXPECT_EQ(node.register_at(discovery)->status, 200);
  EXPECT_EQ(node.list_project(discovery, kProject)->status, 200);
  expect_found_soon(discovery);
}

TEST(DiscoveryOnRedis, ARedisThatGoesAndComesNeedsNoRestart) {
  Redis redis;
  Discovery discovery({"--store", redis.url()});
  Node const node(4);
  httplib::Client admin = discovery.admin();
  EXPECT_EQ(admin.Get("/readyz")->status, 200);
  EXPECT_EQ(node.register_at(discovery)->status, 200);

  redis.kill();
  EXPECT_EQ(status_within(3s, 503, admin, "/readyz"), 503);
  auto const down = discovery.https().Get(sync_path(kProject).c_str());
  ASSERT_TRUE(down);
  EXPECT_EQ(down->status, 503);
  EXPECT_EQ(problem_of(down), "store-unavailable");
  EXPECT_TRUE(down->has_header("Retry-After"));
  EXPECT_EQ(admin.Get("/livez")->status, 200) << "an ill store is no reason to restart the service";

  redis.start();
  EXPECT_EQ(status_within(5s, 200, admin, "/readyz"), 200);
  EXPECT_EQ(node.register_at(discovery)->status, 200);
}

TEST(DiscoveryOnRedis, ARedisThatIsDownAtStartIsWaitedFor) {
  Redis redis;
  redis.kill();
  Discovery discovery({"--store", redis.url()});
  httplib::Client admin = discovery.admin();
  EXPECT_EQ(admin.Get("/readyz")->status, 503);
  EXPECT_EQ(discovery.https().Get("/nonce")->status, 503);
  redis.start();
  EXPECT_EQ(status_within(5s, 200, admin, "/readyz"), 200);
  EXPECT_EQ(Node(5).register_at(discovery)->status, 200);
}

}  // namespace
}  // namespace holdfast::test
