#include "discovery/server/ticket_sharing.h"

#include <memory>

#include <gtest/gtest.h>

#include "crypto/keys.h"
#include "discovery/store/memory_store.h"
#include "serve/router.h"

namespace holdfast::discovery {
namespace {

class TicketSharingTest : public testing::Test {
 protected:
  TicketSharingTest() : store_(make_memory_store({})), server_(router_, {}) {
    EXPECT_TRUE(init_crypto().ok());
  }
  static ClusterSecret secret(Byte byte) { return *cluster_secret_of(Bytes(32, byte)); }
  void forget_all() {
    Result<std::vector<Shared>> const all = store_->list_shared(SharedKind::TicketKeys);
    ASSERT_TRUE(all.ok());
    for (Shared const& each : *all)
      EXPECT_TRUE(store_->take_shared(SharedKind::TicketKeys, each.name).ok());
  }

  std::unique_ptr<RecordStore> store_;
  Router router_;
  HttpServer server_;
};

TEST_F(TicketSharingTest, InstancesOfOneSecretEndUpWithTheSameKeys) {
  TicketSharing first(*store_, server_, secret(1));
  TicketSharing second(*store_, server_, secret(1));
  ASSERT_TRUE(first.round().ok());
  ASSERT_TRUE(second.round().ok());
  ASSERT_FALSE(first.keys().keys.empty());
  EXPECT_EQ(first.keys(), second.keys());
  ASSERT_TRUE(first.round().ok());
  EXPECT_EQ(first.keys(), second.keys()) << "another round changes nothing";
}

TEST_F(TicketSharingTest, KeysUnderAnotherSecretArePassedOver) {
  TicketSharing first(*store_, server_, secret(1));
  TicketSharing stranger(*store_, server_, secret(2));
  ASSERT_TRUE(first.round().ok());
  ASSERT_TRUE(stranger.round().ok());
  EXPECT_TRUE(stranger.keys().keys.empty());
}

TEST_F(TicketSharingTest, AStoreThatForgetsCostsNoTickets) {
  TicketSharing sharing(*store_, server_, secret(1));
  ASSERT_TRUE(sharing.round().ok());
  TicketKeys const before = sharing.keys();
  forget_all();
  ASSERT_TRUE(sharing.round().ok());
  for (TicketKey const& key : before.keys)
    EXPECT_NE(sharing.keys().find(key.name, key.not_before_unix_s), nullptr);
  TicketSharing later(*store_, server_, secret(1));
  ASSERT_TRUE(later.round().ok());
  EXPECT_EQ(later.keys(), before) << "those that tickets are being made under, put back";
  EXPECT_EQ(sharing.keys(), before);
}

TEST_F(TicketSharingTest, AfterALossAllGoOverToTheKeysThatCameFirst) {
  TicketSharing old(*store_, server_, secret(1));
  ASSERT_TRUE(old.round().ok());
  TicketKeys const before = old.keys();
  forget_all();
  TicketSharing fresh(*store_, server_, secret(1));
  ASSERT_TRUE(fresh.round().ok());
  ASSERT_TRUE(old.round().ok());
  std::int64_t const now = static_cast<std::int64_t>(*store_->now_unix_ms() / 1000);
  EXPECT_EQ(*old.keys().maker(now), *fresh.keys().maker(now));
  EXPECT_NE(*old.keys().maker(now), *before.maker(now));
  EXPECT_NE(old.keys().find(before.maker(now)->name, now), nullptr) << "its tickets still open";
}

TEST_F(TicketSharingTest, TheNextPeriodsKeyIsThereBeforeItBegins) {
  TicketSharing sharing(*store_, server_, secret(1),
                        {.making_s = 1'000, .ahead_s = 1'000, .opening_s = 1'000});
  ASSERT_TRUE(sharing.round().ok());
  ASSERT_EQ(sharing.keys().keys.size(), 2u);
  EXPECT_EQ(sharing.keys().keys[0].not_before_unix_s,
            sharing.keys().keys[1].not_before_unix_s + 1'000);
}

}  // namespace
}  // namespace holdfast::discovery
