#include "codec/key_text.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "codec/zbase32.h"
#include "support/vectors.h"

namespace holdfast {
namespace {

using Key = FixedBytes<struct KeyTag, 32>;

TEST(Zbase32, AgreesWithTheVectors) {
  std::size_t compared = 0;
  nlohmann::json const vectors = testing::load_vectors("keys.json");
  for (auto const& row : vectors.at("manifests")) {
    Key const key = testing::hex_fixed<Key>(row.at("key"));
    auto const text = row.at("z32").get<std::string>();
    EXPECT_EQ(to_zbase32(key.bytes), text);
    EXPECT_EQ(from_zbase32(text), key.bytes);
    ++compared;
  }
  EXPECT_EQ(compared, 11U);
}

TEST(Zbase32, ComesBackFromItsText) {
  SeededRng rng(5);
  for (int round = 0; round < 200; ++round) {
    Key key;
    for (Byte& byte : key.bytes) byte = static_cast<Byte>(rng.next());
    std::string const text = to_zbase32(key.bytes);
    ASSERT_EQ(text.size(), kZbase32KeyLetters);
    ASSERT_EQ(from_zbase32(text), key.bytes);
  }
}

TEST(Zbase32, HasOneSpellingForEachKey) {
  std::string text = to_zbase32(Key{}.bytes);
  ASSERT_EQ(text, std::string(52, 'y'));
  std::size_t accepted = 0;
  for (char const last : std::string_view("ybndrfg8ejkmcpqxot1uwisza345h769")) {
    text.back() = last;
    accepted += from_zbase32(text) ? 1U : 0U;
  }
  EXPECT_EQ(accepted, 2U);  // Only one bit of the last letter belongs to the key.
}

TEST(Zbase32, RefusesOtherLettersAndLengths) {
  std::string const good(52, 'y');
  EXPECT_EQ(from_zbase32(good.substr(1)), std::nullopt);
  EXPECT_EQ(from_zbase32(good + "y"), std::nullopt);
  for (char const c : {'0', '2', 'l', 'v', 'Y', ' ', '\0'}) {
    std::string bad = good;
    bad[20] = c;
    EXPECT_EQ(from_zbase32(bad), std::nullopt) << c;
  }
}

TEST(ParseKey, ReadsBothSpellings) {
  Key key;
  key.bytes[0] = 0xab;
  key.bytes[31] = 0x01;
  EXPECT_EQ(*parse_key_as<Key>(key.hex()), key);
  EXPECT_EQ(*parse_key_as<Key>(to_zbase32(key.bytes)), key);
}

TEST(ParseKey, RefusesEverythingElseWithoutRepeatingIt) {
  std::string const hex = Key{}.hex();
  for (std::string const& text : {std::string(), hex.substr(1), hex + "0", "g" + hex.substr(1),
                                  std::string(52, '0'), std::string(51, 'y')}) {
    Result<Key> const key = parse_key_as<Key>(text);
    ASSERT_FALSE(key.ok()) << text;
    EXPECT_EQ(key.error().code, ErrorCode::Malformed);
    EXPECT_TRUE(text.empty() || key.error().detail.find(text) == std::string::npos);
  }
}

}  // namespace
}  // namespace holdfast
