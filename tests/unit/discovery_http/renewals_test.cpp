#include "discovery/http/renewals.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/store/memory_store.h"
#include "registration/record.h"
#include "support/record_store_double.h"

namespace holdfast::discovery {
namespace {

/// Counts what is sent together.
class CountingStore final : public RecordStoreDouble {
 public:
  explicit CountingStore(RecordStore& inner) : RecordStoreDouble(&inner) {}
  std::vector<Result<ReplicatorEntry>> renew_all(std::vector<Renewal> const& renewals) override {
    ++calls;
    sent += renewals.size();
    return RecordStoreDouble::renew_all(renewals);
  }
  std::atomic<std::size_t> calls{0};
  std::atomic<std::size_t> sent{0};
};

class RenewalsTest : public testing::Test {
 protected:
  RenewalsTest() { EXPECT_TRUE(init_crypto().ok()); }

  PublicKey registered(Byte number) {
    Seed seed;
    seed.bytes[0] = number;
    KeyPair const pair = KeyPair::from_seed(seed);
    registration::Record record;
    record.id = pair.public_key;
    record.seq = 1;
    record.addresses = {{registration::AddressKind::Tcp, "node.example.org", 4838, ""}};
    EXPECT_TRUE(
        store_->put_registration(*registration::sign_record(record, pair), "192.0.2.1").ok());
    return pair.public_key;
  }

  std::unique_ptr<RecordStore> store_ =
      make_memory_store(StoreOptions{}, [] { return std::uint64_t{1'767'225'600'000}; });
  CountingStore counting_{*store_};
  Renewals renewals_{counting_};
};

TEST_F(RenewalsTest, WhatWasAddedBeforeTheFirstResultIsSentTogether) {
  auto const first = renewals_.add({registered(1), {}, std::nullopt});
  auto const unknown = renewals_.add({PublicKey{}, {}, std::nullopt});
  auto const third = renewals_.add({registered(3), {}, std::nullopt});
  EXPECT_EQ(counting_.calls, 0U);
  EXPECT_EQ(third.result()->id, registered(3));
  EXPECT_EQ(first.result()->id, registered(1));
  EXPECT_EQ(unknown.result().error().code, ErrorCode::NotFound);
  EXPECT_EQ(counting_.calls, 1U);
  EXPECT_EQ(counting_.sent, 3U);
}

TEST_F(RenewalsTest, WhatIsAddedAfterwardsIsAnotherBatch) {
  auto const first = renewals_.add({registered(1), {}, std::nullopt});
  EXPECT_TRUE(first.result().ok());
  auto const second = renewals_.add({registered(1), {}, std::nullopt});
  EXPECT_TRUE(second.result().ok());
  EXPECT_EQ(counting_.calls, 2U);
}

TEST_F(RenewalsTest, EveryOneIsSentOnceFromManyThreads) {
  std::vector<PublicKey> ids;
  for (Byte number = 1; number <= 4; ++number) ids.push_back(registered(number));
  std::vector<std::thread> threads;
  for (PublicKey const& id : ids) {
    threads.emplace_back([this, id] {
      for (int i = 0; i < 200; ++i) {
        auto const place = renewals_.add({id, {}, std::nullopt});
        EXPECT_EQ(place.result()->id, id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counting_.sent, 800U);
}

}  // namespace
}  // namespace holdfast::discovery
