#include "crypto/secret_box.h"

#include <gtest/gtest.h>

#include "crypto/keys.h"

namespace holdfast {
namespace {

TEST(SecretBox, OpensUnderItsKeyOnly) {
  ASSERT_TRUE(init_crypto().ok());
  SecretBoxKey key;
  random_bytes(key.bytes);
  Bytes const sealed = seal_secret_box(key, as_bytes("kelp"));
  EXPECT_EQ(open_secret_box(key, sealed), to_bytes(as_bytes("kelp")));
  EXPECT_NE(seal_secret_box(key, as_bytes("kelp")), sealed) << "a nonce of its own each time";
  key.bytes[0] ^= 1;
  EXPECT_EQ(open_secret_box(key, sealed), std::nullopt);
}

TEST(SecretBox, NoChangedByteAndNoCutIsAccepted) {
  ASSERT_TRUE(init_crypto().ok());
  SecretBoxKey const key{};
  Bytes const sealed = seal_secret_box(key, as_bytes("kelp"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 1;
    EXPECT_EQ(open_secret_box(key, changed), std::nullopt) << i;
    EXPECT_EQ(open_secret_box(key, ByteView(sealed).first(i)), std::nullopt) << i;
  }
}

}  // namespace
}  // namespace holdfast
