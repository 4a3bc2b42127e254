#include "base/bytes.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Four = FixedBytes<struct FourTag, 4>;

TEST(Hex, IsLowerCaseAndTwoDigitsForEachByte) {
  Bytes const bytes{0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(to_hex(bytes), "000fa5ff");
  EXPECT_EQ(to_hex({}), "");
}

TEST(Hex, ReadsEitherCase) {
  EXPECT_EQ(from_hex("A5ff"), (Bytes{0xa5, 0xff}));
  EXPECT_EQ(from_hex(""), Bytes{});
}

TEST(Hex, RefusesOddLengthsAndOtherLetters) {
  EXPECT_EQ(from_hex("abc"), std::nullopt);
  for (char const c : {'/', ':', '@', 'G', '`', 'g', ' ', '\0'}) {
    EXPECT_EQ(from_hex(std::string{'0', c}), std::nullopt) << static_cast<int>(c);
    EXPECT_EQ(from_hex(std::string{c, '0'}), std::nullopt) << static_cast<int>(c);
  }
}

TEST(FixedBytes, ComeOnlyFromTheirExactSize) {
  EXPECT_EQ(Four::from(Bytes(3)), std::nullopt);
  EXPECT_EQ(Four::from(Bytes(5)), std::nullopt);
  EXPECT_EQ(Four::from(Bytes{1, 2, 3, 4})->hex(), "01020304");
  EXPECT_EQ(Four::from_hex("0102030"), std::nullopt);
  EXPECT_EQ(Four::from_hex("010203"), std::nullopt);
  EXPECT_EQ(Four::from_hex("01020304"), Four::from(Bytes{1, 2, 3, 4}));
}

TEST(FixedBytes, AreZeroUntilTheyAreSet) {
  Four bytes;
  EXPECT_TRUE(bytes.is_zero());
  bytes.bytes[3] = 1;
  EXPECT_FALSE(bytes.is_zero());
}

TEST(FixedBytes, AreOrderedFromTheFirstByteOn) {
  EXPECT_LT(*Four::from_hex("00ff0000"), *Four::from_hex("01000000"));
  EXPECT_NE(*Four::from_hex("00000000"), *Four::from_hex("00000001"));
}

TEST(Append, KeepsWhatWasThere) {
  Bytes to{1, 2};
  append(to, Bytes{3});
  EXPECT_EQ(to, (Bytes{1, 2, 3}));
}

TEST(Text, GoesToBytesAndBack) { EXPECT_EQ(as_text(as_bytes("holdfast")), "holdfast"); }

}  // namespace
}  // namespace holdfast
