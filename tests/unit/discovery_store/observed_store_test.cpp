#include "discovery/store/observed_store.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/store/memory_store.h"

namespace holdfast::discovery {

namespace {

class Calls final : public StoreObserver {
 public:
  void on_call(StoreCall call, StoreResult result, std::chrono::microseconds took) override {
    EXPECT_GE(took.count(), 0);
    seen.emplace_back(call, result);
  }
  std::vector<std::pair<StoreCall, StoreResult>> seen;
};

TEST(ObservedStore, TellsEachCallWithItsResult) {
  Calls calls;
  auto const store = observe_store(make_memory_store(StoreOptions{}), calls);
  PublicKey const id;
  ASSERT_TRUE(store->now_unix_ms().ok());
  ASSERT_FALSE(store->find(id).ok());
  ASSERT_TRUE(store->hosting_of(DiscoveryKey{}).ok());
  EXPECT_EQ(calls.seen, (std::vector<std::pair<StoreCall, StoreResult>>{
                            {StoreCall::Time, StoreResult::Done},
                            {StoreCall::Find, StoreResult::Refused},
                            {StoreCall::Hosting, StoreResult::Done}}));
}

TEST(ObservedStore, EveryNameIsItsOwn) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kStoreCallCount; ++i)
    names.insert(name_of(static_cast<StoreCall>(i)));
  EXPECT_EQ(names.size(), kStoreCallCount);
}

}  // namespace

}  // namespace holdfast::discovery
