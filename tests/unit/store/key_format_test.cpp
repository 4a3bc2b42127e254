#include "store/key_format.h"

#include <gtest/gtest.h>

namespace holdfast::store {
namespace {

TEST(KeyFormat, RowKeysSortAsTheirNumbers) {
  std::vector<std::pair<std::uint32_t, std::uint64_t>> const ascending = {
      {0, 0}, {0, 1}, {0, 255}, {0, 256}, {0, 1ULL << 53U}, {1, 0}, {255, 9}, {256, 0}};
  std::string last;
  for (auto const& [id, index] : ascending) {
    RowKey const key(static_cast<CoreId>(id), index);
    EXPECT_LT(last, key.view());
    EXPECT_EQ(RowKey::index_of(key.view()), index);
    EXPECT_LT(key.view(), end_of_core(static_cast<CoreId>(id)));
    last = key.view();
  }
  EXPECT_EQ(to_hex(as_bytes(RowKey(CoreId{1}, 0x0203).view())), "000000010000000000000203");
}

TEST(KeyFormat, ACoreRowComesBackAndNoShorterOneIsTaken) {
  CoreRow const row{CoreId{0x01020304}, true, {5, 6, {7, 8}}};
  std::string const value = encode(row);
  EXPECT_EQ(to_hex(as_bytes(value)),
            "01020304"
            "01"
            "0500000000000000"
            "0600000000000000"
            "0708");
  std::optional<CoreRow> const back = decode_core_row(value);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->id, row.id);
  EXPECT_TRUE(back->has_manifest);
  EXPECT_EQ(back->head, row.head);
  for (std::size_t size = 0; size < 21; ++size) {
    EXPECT_FALSE(decode_core_row(std::string_view(value).substr(0, size)).has_value());
  }
  std::string strange = value;
  strange[4] = 2;
  EXPECT_FALSE(decode_core_row(strange).has_value());
}

TEST(KeyFormat, ANodeComesBackAndNoOtherSizeIsTaken) {
  merkle::Node node{TreeIndex(9), 0x0102, {}};
  node.hash.bytes.fill(0xab);
  std::array<char, kNodeRowBytes> const value = encode(node);
  std::string_view const bytes(value.data(), value.size());
  EXPECT_EQ(to_hex(as_bytes(bytes.substr(0, 9))), "0201000000000000ab");
  EXPECT_EQ(decode_node(TreeIndex(9), bytes), node);
  EXPECT_FALSE(decode_node(TreeIndex(9), bytes.substr(1)).has_value());
}

TEST(KeyFormat, CutsAreNamedInTheOrderOfTime) {
  Retirement const early{CoreId{9}, 9, 100};
  Retirement const late{CoreId{1}, 1, 101};
  EXPECT_LT(retired_index_key(early), retired_index_bound(101));
  EXPECT_GE(retired_index_key(late), retired_index_bound(101));
  std::optional<Retirement> const back = decode_retired_index(retired_index_key(early));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(retired_prefix(*back), retired_prefix(early));
  EXPECT_TRUE(retired_key(early, RetiredKind::Block, 7).starts_with(retired_prefix(early)));
  EXPECT_FALSE(decode_retired_index(retired_index_bound(1)).has_value());
}

TEST(KeyFormat, ThePrefixEndIsJustBehindThePrefix) {
  EXPECT_EQ(prefix_end("ab"), "ac");
  EXPECT_EQ(prefix_end("a\xff\xff"), "b");
}

}  // namespace
}  // namespace holdfast::store
