#include "discovery/http/activation_service.h"

#include <atomic>
#include <future>
#include <memory>

#include <gtest/gtest.h>

#include "discovery/store/memory_store.h"
#include "support/record_store_double.h"

namespace holdfast::discovery {
namespace {

constexpr std::chrono::seconds kPatience{20};

DiscoveryKey key_of(Byte name) {
  DiscoveryKey out;
  out.bytes.fill(name);
  return out;
}

/// Tells the test of each assignment.
class WatchedStore final : public RecordStoreDouble {
 public:
  explicit WatchedStore(RecordStore& inner) : RecordStoreDouble(&inner) {}
  std::future<PublicKey> next_assignment() {
    MutexLock const lock(mutex_);
    assigned_ = {};
    return assigned_.get_future();
  }
  Result<void> assign(PublicKey const& id, DiscoveryKey const& key, Duration life) override {
    Result<void> const done = RecordStoreDouble::assign(id, key, life);
    MutexLock const lock(mutex_);
    assigned_.set_value(id);
    return done;
  }

 protected:
  std::optional<Unexpected> refusal() override { return std::nullopt; }

 private:
  Mutex mutex_;
  std::promise<PublicKey> assigned_;
};

class ActivationServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(init_crypto().ok());
    std::vector<Candidate> candidates;
    for (int i = 0; i < 2; ++i) {
      KeyPair const pair = KeyPair::random();
      registration::Record record;
      record.id = pair.public_key;
      record.seq = 1;
      record.addresses = {{registration::AddressKind::Tcp, "node.example.org", 4838, ""}};
      ASSERT_TRUE(store_->put_registration(*registration::sign_record(record, pair), "").ok());
      Candidate candidate;
      candidate.id = pair.public_key;
      candidate.seed = seed_of(pair.public_key);
      candidates.push_back(candidate);
    }
    candidates_ = std::make_shared<std::vector<Candidate> const>(std::move(candidates));
  }
  static ActivationOptions options() {
    ActivationOptions out;
    out.confirm_within = Duration(20);
    return out;
  }
  PublicKey wait_for(std::future<PublicKey>& future) {
    EXPECT_EQ(future.wait_for(kPatience), std::future_status::ready);
    return future.get();
  }

  std::unique_ptr<RecordStore> store_ = make_memory_store(StoreOptions{});
  WatchedStore watched_{*store_};
  std::shared_ptr<std::vector<Candidate> const> candidates_;
};

TEST_F(ActivationServiceTest, AssignsAnUnknownKeyToTheFirstOfItsOrder) {
  ActivationService service(
      watched_, [this](Freshness) { return candidates_; }, ActivationOptions{});
  std::future<PublicKey> assigned = watched_.next_assignment();
  service.start();
  EXPECT_EQ(service.begin(key_of(1), {}), ActivationTable::Begun::Started);
  PublicKey const id = wait_for(assigned);
  PlacementQuery query;
  query.key = key_of(1);
  query.replicas = 1;
  EXPECT_EQ(id, (*candidates_)[place(query, *candidates_).chosen.front()].id);
  EXPECT_EQ(store_->assignments_of(id, 0, 10)->keys, std::vector<DiscoveryKey>{key_of(1)});
  EXPECT_EQ(service.begin(key_of(1), {}), ActivationTable::Begun::Joined);
}

TEST_F(ActivationServiceTest, ASilentReplicatorIsFollowedByTheOther) {
  ActivationService service(
      watched_, [this](Freshness) { return candidates_; }, options());
  std::future<PublicKey> first = watched_.next_assignment();
  service.start();
  service.begin(key_of(1), {});
  PublicKey const silent = wait_for(first);
  std::future<PublicKey> second = watched_.next_assignment();
  EXPECT_NE(wait_for(second), silent);
}

TEST_F(ActivationServiceTest, AListedKeyEndsItsActivation) {
  ActivationService service(
      watched_, [this](Freshness) { return candidates_; }, ActivationOptions{});
  std::future<PublicKey> assigned = watched_.next_assignment();
  service.start();
  service.begin(key_of(1), {});
  PublicKey const id = wait_for(assigned);
  registration::ProjectsRequest listing;
  listing.add = {{key_of(1), std::nullopt}};
  ASSERT_TRUE(store_->change_projects(id, listing).ok());
  service.on_hosting(key_of(1));
  while (service.counters().confirmed == 0) std::this_thread::yield();
  EXPECT_EQ(service.begin(key_of(1), {}), ActivationTable::Begun::Started);
}

TEST_F(ActivationServiceTest, WhoCameThisVeryMomentIsFound) {
  auto const nobody = std::make_shared<std::vector<Candidate> const>();
  ActivationService service(
      watched_,
      [&](Freshness freshness) { return freshness == Freshness::Now ? candidates_ : nobody; },
      ActivationOptions{});
  std::future<PublicKey> assigned = watched_.next_assignment();
  service.start();
  service.begin(key_of(1), {});
  EXPECT_EQ(assigned.wait_for(kPatience), std::future_status::ready);
}

TEST_F(ActivationServiceTest, WhoIsKnownIsAskedWithoutANewLook) {
  std::atomic<int> looks{0};
  ActivationService service(
      watched_,
      [&](Freshness freshness) {
        looks += freshness == Freshness::Now ? 1 : 0;
        return candidates_;
      },
      ActivationOptions{});
  std::future<PublicKey> assigned = watched_.next_assignment();
  service.start();
  service.begin(key_of(1), {});
  EXPECT_EQ(assigned.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(looks, 0);
}

TEST_F(ActivationServiceTest, WithNobodyToAskTheKeyRests) {
  ActivationService service(
      watched_, [](Freshness) { return std::make_shared<std::vector<Candidate> const>(); },
      ActivationOptions{});
  service.start();
  service.begin(key_of(1), {});
  while (service.counters().failed == 0) std::this_thread::yield();
  EXPECT_EQ(service.begin(key_of(1), {}), ActivationTable::Begun::Resting);
}

}  // namespace
}  // namespace holdfast::discovery
