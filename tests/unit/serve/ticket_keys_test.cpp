#include "serve/ticket_keys.h"

#include <gtest/gtest.h>

#include "crypto/keys.h"

namespace holdfast {
namespace {

constexpr std::int64_t kNow = 1'000'000;
constexpr TicketKeyLife kLife{.making_s = 100, .ahead_s = 10, .opening_s = 50};

ClusterSecret secret(Byte byte) { return *cluster_secret_of(Bytes(32, byte)); }

TEST(TicketKeys, TheFirstMakesTicketsAtOnce) {
  TicketKeys const keys = renewed({}, kNow, kLife);
  ASSERT_EQ(keys.keys.size(), 1u);
  EXPECT_EQ(keys.maker(kNow), &keys.keys[0]);
  EXPECT_EQ(renewed(keys, kNow + 89, kLife), keys);
}

TEST(TicketKeys, TheNextIsKnownBeforeItMakesAny) {
  TicketKeys const first = renewed({}, kNow, kLife);
  TicketKeys const both = renewed(first, kNow + 90, kLife);
  ASSERT_EQ(both.keys.size(), 2u);
  EXPECT_EQ(*both.maker(kNow + 99), first.keys[0]);
  EXPECT_EQ(both.maker(kNow + 100), &both.keys[0]);
  EXPECT_EQ(both.find(both.keys[0].name, kNow + 90), &both.keys[0]) << "already opened elsewhere";
  EXPECT_EQ(renewed(both, kNow + 95, kLife), both);
}

TEST(TicketKeys, AServiceThatSleptStillTellsTheOthersFirst) {
  TicketKeys const first = renewed({}, kNow, kLife);
  TicketKeys const both = renewed(first, kNow + 130, kLife);
  EXPECT_EQ(both.keys[0].not_before_unix_s, kNow + 140);
  EXPECT_EQ(*both.maker(kNow + 130), first.keys[0]);
}

TEST(TicketKeys, EndedKeysAreLeftOut) {
  TicketKeys const first = renewed({}, kNow, kLife);
  EXPECT_EQ(first.find(first.keys[0].name, kNow + 149), &first.keys[0]);
  EXPECT_EQ(first.find(first.keys[0].name, kNow + 150), nullptr);
  EXPECT_EQ(first.maker(kNow + 150), nullptr);
  TicketKeys const next = renewed(first, kNow + 150, kLife);
  ASSERT_EQ(next.keys.size(), 1u);
  EXPECT_EQ(next.maker(kNow + 150), &next.keys[0]);
}

TEST(SealedTicketKeys, OpenUnderTheSameSecretOnly) {
  ASSERT_TRUE(init_crypto().ok());
  TicketKeys const keys = renewed(renewed({}, kNow, kLife), kNow + 95, kLife);
  Bytes const sealed = seal(keys, secret(1));
  Result<TicketKeys> const opened = open_ticket_keys(sealed, secret(1));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(*opened, keys);
  EXPECT_EQ(open_ticket_keys(sealed, secret(2)).error().code, ErrorCode::BadSignature);
  Bytes changed = sealed;
  changed.back() ^= 1;
  EXPECT_FALSE(open_ticket_keys(changed, secret(1)).ok());
  EXPECT_FALSE(open_ticket_keys({}, secret(1)).ok());
}

TEST(ClusterSecret, HasAtLeastSixteenBytes) {
  EXPECT_FALSE(cluster_secret_of(Bytes(15, 1)).ok());
  EXPECT_TRUE(cluster_secret_of(Bytes(16, 1)).ok());
  EXPECT_NE(secret(1), secret(2));
}

}  // namespace
}  // namespace holdfast
