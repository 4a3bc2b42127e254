// The same contract over Sentinel and Cluster. Their fleets take a moment to form, so that all tests
// share one of each, and each test begins with empty servers.
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "discovery/store/memory_store.h"
#include "redis_server.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

class FleetWorld : public StoreWorld {
 public:
  std::unique_ptr<RecordStore> open(StoreOptions const& options) override {
    return make_redis_store(options, redis_options());
  }
  void let_pass(Duration duration) override { std::this_thread::sleep_for(duration); }
  std::uint64_t now_unix_ms() override { return system_unix_clock()(); }

 protected:
  virtual RedisOptions redis_options() = 0;
};

class SentinelWorld final : public FleetWorld {
 public:
  SentinelWorld() { fleet().first().command("FLUSHALL"); }

 protected:
  RedisOptions redis_options() override { return fleet().options(); }

 private:
  static SentinelFleet& fleet() {
    static SentinelFleet fleet;
    return fleet;
  }
};

class ClusterWorld final : public FleetWorld {
 public:
  ClusterWorld() { fleet().flush(); }

 protected:
  RedisOptions redis_options() override { return fleet().options(); }

 private:
  static ClusterFleet& fleet() {
    static ClusterFleet fleet;
    return fleet;
  }
};

std::string name_of_world(testing::TestParamInfo<WorldCase> const& world) {
  return world.param.name;
}

WorldCase const kSentinel{"Sentinel", [] { return std::make_unique<SentinelWorld>(); }};
WorldCase const kCluster{"Cluster", [] { return std::make_unique<ClusterWorld>(); }};

INSTANTIATE_TEST_SUITE_P(Fleets, RecordStoreTest, testing::Values(kSentinel, kCluster),
                         name_of_world);
INSTANTIATE_TEST_SUITE_P(Fleets, SharedStateTest, testing::Values(kSentinel, kCluster),
                         name_of_world);
INSTANTIATE_TEST_SUITE_P(Fleets, WatchedStoreTest, testing::Values(kSentinel, kCluster),
                         name_of_world);

}  // namespace

}  // namespace holdfast::discovery
