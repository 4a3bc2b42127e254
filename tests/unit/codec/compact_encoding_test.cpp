#include <gtest/gtest.h>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "support/vectors.h"

namespace holdfast {
namespace {

using testing::hex_bytes;

class CompactEncodingVectors : public ::testing::Test {
 protected:
  nlohmann::json const vectors_ = testing::load_vectors("compact-encoding.json");
};

TEST_F(CompactEncodingVectors, Numbers) {
  for (auto const& row : vectors_.at("uint")) {
    auto const value = row.at("value").get<std::uint64_t>();
    Bytes const bytes = hex_bytes(row.at("hex"));
    EXPECT_EQ(Encoder().write_uint(value).view().size(), bytes.size());
    EXPECT_EQ(to_hex(Encoder().write_uint(value).view()), to_hex(bytes));
    Decoder in(bytes);
    EXPECT_EQ(in.read_uint(), value);
    EXPECT_TRUE(in.finish().ok());
    EXPECT_EQ(in.remaining(), 0U);
  }
}

TEST_F(CompactEncodingVectors, FixedNumbers) {
  for (auto const& row : vectors_.at("uint64")) {
    auto const value = row.at("value").get<std::uint64_t>();
    Bytes const bytes = hex_bytes(row.at("hex"));
    EXPECT_EQ(to_hex(Encoder().write_u64le(value).view()), to_hex(bytes));
    EXPECT_EQ(Decoder(bytes).read_u64le(), value);
  }
}

TEST_F(CompactEncodingVectors, Buffers) {
  for (auto const& row : vectors_.at("buffer")) {
    Bytes const value = hex_bytes(row.at("value"));
    Bytes const bytes = hex_bytes(row.at("hex"));
    EXPECT_EQ(to_hex(Encoder().write_buffer(value).view()), to_hex(bytes));
    EXPECT_EQ(to_bytes(Decoder(bytes).read_buffer(100)), value);
  }
  Bytes const prefix = hex_bytes(vectors_.at("buffer_300_prefix"));
  Encoder out;
  out.write_buffer(Bytes(300, 1));
  EXPECT_EQ(to_hex(out.view().first(prefix.size())), to_hex(prefix));
}

TEST_F(CompactEncodingVectors, Strings) {
  for (auto const& row : vectors_.at("string")) {
    auto const value = row.at("value").get<std::string>();
    Bytes const bytes = hex_bytes(row.at("hex"));
    EXPECT_EQ(to_hex(Encoder().write_string(value).view()), to_hex(bytes));
    EXPECT_EQ(Decoder(bytes).read_string(100), value);
  }
}

TEST_F(CompactEncodingVectors, ArraysOfWords) {
  auto const& row = vectors_.at("uint32array");
  Bytes const bytes = hex_bytes(row.at("hex"));
  Encoder out;
  out.write_uint(row.at("words").size());
  for (auto const& word : row.at("words")) out.write_u32le(word.get<std::uint32_t>());
  EXPECT_EQ(to_hex(out.view()), to_hex(bytes));
  Decoder in(bytes);
  ASSERT_EQ(in.read_count(3, 4), 3U);
  for (auto const& word : row.at("words")) EXPECT_EQ(in.read_u32le(), word.get<std::uint32_t>());
}

}  // namespace
}  // namespace holdfast
