#include "discovery/registry/nonce.h"

#include <gtest/gtest.h>

namespace holdfast::discovery {

namespace {

class NonceTest : public testing::Test {
 protected:
  NonceTest() { state_.secret.bytes.fill(7); }
  std::string made() const { return make_nonce(state_, NonceSalt{}, Duration(1'000)); }
  ErrorCode refusal(NonceState const& state, std::string const& nonce) const {
    auto const checked = check_nonce(state, nonce);
    EXPECT_FALSE(checked.ok());
    return checked ? ErrorCode::Storage : checked.error().code;
  }

  NonceState state_{.secret = {}, .now_unix_ms = 1'767'225'600'000};
};

TEST_F(NonceTest, LivesUntilItsEnd) {
  NonceState later = state_;
  later.now_unix_ms += 999;
  auto const use = check_nonce(later, made());
  ASSERT_TRUE(use.ok());
  EXPECT_EQ(use->life, Duration(1));
  EXPECT_EQ(use->secret, state_.secret);
  later.now_unix_ms += 1;
  EXPECT_EQ(refusal(later, made()), ErrorCode::Denied);
}

TEST_F(NonceTest, DiesWithTheSecret) {
  NonceState other = state_;
  other.secret.bytes.fill(8);
  EXPECT_EQ(refusal(other, made()), ErrorCode::Denied);
}

TEST_F(NonceTest, FitsIntoASignature) {
  EXPECT_EQ(made().size(), 43U);
  EXPECT_EQ(
      made().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
}

TEST_F(NonceTest, NobodyCanMakeOrChangeOne) {
  std::string const good = made();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_EQ(refusal(state_, changed), ErrorCode::Denied) << i;
    EXPECT_EQ(refusal(state_, good.substr(0, i)), ErrorCode::Denied) << i;
  }
  EXPECT_EQ(refusal(state_, good + "A"), ErrorCode::Denied);
}

}  // namespace

}  // namespace holdfast::discovery
