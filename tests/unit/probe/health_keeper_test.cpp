#include "discovery/probe/health_keeper.h"

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/store/memory_store.h"

namespace holdfast::discovery {
namespace {

/// Says at once what it was told to say.
class FakeTester final : public SelfTester {
 public:
  void probe(ProbeTarget /*target*/, Done done) override {
    ++probes;
    done({says, says == ProbeStep::Passed ? "" : "connect failed"});
  }
  std::atomic<ProbeStep> says{ProbeStep::Passed};
  std::atomic<int> probes{0};
};

class HealthKeeperTest : public testing::Test {
 protected:
  HealthKeeperTest() : store(make_memory_store(StoreOptions{})) {
    EXPECT_TRUE(init_crypto().ok());
    HealthKeeperOptions options;
    options.instance = "one";
    options.notify = [this](std::string const& event) {
      if (event == SelfTests::event_of(pair.public_key)) over.set_value();
    };
    keeper = std::make_unique<HealthKeeper>(*store, tester, options);
    store->watch(*keeper);
  }
  ~HealthKeeperTest() override { keeper->stop(); }

  ReplicatorEntry register_node() {
    registration::Record record;
    record.id = pair.public_key;
    record.seq = 1;
    record.addresses = {{registration::AddressKind::Tcp, "", 4838, ""}};
    EXPECT_TRUE(
        store->put_registration(*registration::sign_record(record, pair), "198.41.0.4", Health{})
            .ok());
    return *store->find(pair.public_key);
  }

  KeyPair const pair = KeyPair::random();
  std::unique_ptr<RecordStore> store;
  FakeTester tester;
  std::promise<void> over;
  std::unique_ptr<HealthKeeper> keeper;
};

TEST_F(HealthKeeperTest, APassIsWrittenAndTheWaitingAreWoken) {
  keeper->begin(register_node());
  EXPECT_TRUE(keeper->is_running(pair.public_key)) << "until its health is written";
  keeper->start();
  over.get_future().wait();
  EXPECT_EQ(store->find(pair.public_key)->health.self_test, SelfTest::Passed);
  EXPECT_FALSE(keeper->is_running(pair.public_key));
  EXPECT_EQ(keeper->counts().listed, 1u);
}

TEST_F(HealthKeeperTest, AFailureIsWrittenWithItsTranscript) {
  tester.says = ProbeStep::Connect;
  keeper->begin(register_node());
  keeper->start();
  over.get_future().wait();
  Health const health = store->find(pair.public_key)->health;
  EXPECT_EQ(health.self_test, SelfTest::Failed);
  EXPECT_EQ(health.transcript, "connect failed");
}

TEST_F(HealthKeeperTest, ASecondBeginJoinsTheTestThatRuns) {
  ReplicatorEntry const entry = register_node();
  keeper->begin(entry);
  keeper->begin(entry);
  EXPECT_EQ(tester.probes, 1);
}

TEST_F(HealthKeeperTest, ItTellsThatThisInstanceLives) {
  keeper->begin(register_node());
  keeper->start();
  over.get_future().wait();
  keeper->stop();
  Result<std::vector<Shared>> const alive = store->list_shared(SharedKind::Instance);
  ASSERT_EQ(alive->size(), 1u);
  EXPECT_EQ(alive->front().name, "one");
}

}  // namespace
}  // namespace holdfast::discovery
