#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "discovery/store/memory_store.h"
#include "redis_server.h"
#include "store_fixture.h"

namespace holdfast::discovery {

namespace {

class MemoryWorld final : public StoreWorld {
 public:
  std::unique_ptr<RecordStore> open(StoreOptions const& options) override {
    return make_memory_store(options, [this] { return now_; });
  }
  void let_pass(Duration duration) override {
    now_ += static_cast<std::uint64_t>(duration.count());
  }
  std::uint64_t now_unix_ms() override { return now_; }

 private:
  std::uint64_t now_ = 1'767'225'600'500;
};

/// Redis has no clock that a test could set, so that time passes here as everywhere; leases are
/// short.
class RedisWorld final : public StoreWorld {
 public:
  std::unique_ptr<RecordStore> open(StoreOptions const& options) override {
    return make_redis_store(options, server_.options());
  }
  void let_pass(Duration duration) override { std::this_thread::sleep_for(duration); }
  std::uint64_t now_unix_ms() override { return system_unix_clock()(); }

 private:
  RedisServer server_;
};

std::string name_of_world(testing::TestParamInfo<WorldCase> const& world) {
  return world.param.name;
}

WorldCase const kMemory{"Memory", [] { return std::make_unique<MemoryWorld>(); }};
WorldCase const kRedis{"Redis", [] { return std::make_unique<RedisWorld>(); }};

INSTANTIATE_TEST_SUITE_P(Stores, RecordStoreTest, testing::Values(kMemory, kRedis), name_of_world);
INSTANTIATE_TEST_SUITE_P(Stores, SharedStateTest, testing::Values(kMemory, kRedis), name_of_world);
INSTANTIATE_TEST_SUITE_P(Stores, WatchedStoreTest, testing::Values(kMemory, kRedis), name_of_world);

}  // namespace

}  // namespace holdfast::discovery
