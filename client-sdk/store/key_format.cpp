#include "store/key_format.h"

#include <cstring>

#include "base/check.h"

namespace holdfast::store {

namespace {

void put_big_endian(char* to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) {
    to[i] = static_cast<char>((value >> (8 * (bytes - 1 - i))) & 0xff);
  }
}

std::uint64_t get_big_endian(char const* from, std::size_t bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = (value << 8) | static_cast<Byte>(from[i]);
  return value;
}

void put_little_endian(char* to, std::uint64_t value) {
  for (std::size_t i = 0; i < 8; ++i) to[i] = static_cast<char>((value >> (8 * i)) & 0xff);
}

std::uint64_t get_little_endian(char const* from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    value |= std::uint64_t{static_cast<Byte>(from[i])} << (8 * i);
  }
  return value;
}

std::uint64_t number(CoreId id) { return static_cast<std::uint32_t>(id); }

constexpr std::size_t kIdBytes = 4;
constexpr std::size_t kCoreRowFixedBytes = 4 + 1 + 8 + 8;
constexpr std::size_t kRetirementBytes = 8 + kIdBytes + 8;

}  // namespace

std::string prefixed(char prefix, std::string_view rest) {
  std::string key(1, prefix);
  key.append(rest);
  return key;
}

RowKey::RowKey(CoreId id, std::uint64_t index) {
  put_big_endian(bytes_.data(), number(id), kIdBytes);
  put_big_endian(bytes_.data() + kIdBytes, index, 8);
}

std::optional<std::uint64_t> RowKey::index_of(std::string_view key) {
  if (key.size() != kSize) return std::nullopt;
  return get_big_endian(key.data() + kIdBytes, 8);
}

std::string end_of_core(CoreId id) {
  std::string key(kIdBytes, '\0');
  HOLDFAST_CHECK(number(id) < 0xffffffff);
  put_big_endian(key.data(), number(id) + 1, kIdBytes);
  return key;
}

std::string retired_prefix(Retirement const& retirement) {
  std::string key(kRetirementBytes, '\0');
  put_big_endian(key.data(), number(retirement.id), kIdBytes);
  put_big_endian(key.data() + kIdBytes, retirement.fork, 8);
  put_big_endian(key.data() + kIdBytes + 8, retirement.time_ms, 8);
  return key;
}

std::string retired_key(Retirement const& retirement, RetiredKind kind, std::uint64_t index) {
  std::string key = retired_prefix(retirement);
  key.push_back(static_cast<char>(kind));
  key.append(8, '\0');
  put_big_endian(key.data() + key.size() - 8, index, 8);
  return key;
}

std::string retired_index_bound(std::uint64_t time_ms) {
  std::string key(1 + 8, kRetiredPrefix);
  put_big_endian(key.data() + 1, time_ms, 8);
  return key;
}

std::string retired_index_key(Retirement const& retirement) {
  std::string key = retired_index_bound(retirement.time_ms);
  key.append(kIdBytes + 8, '\0');
  put_big_endian(key.data() + 9, number(retirement.id), kIdBytes);
  put_big_endian(key.data() + 9 + kIdBytes, retirement.fork, 8);
  return key;
}

std::optional<Retirement> decode_retired_index(std::string_view key) {
  if (key.size() != 1 + kRetirementBytes || key[0] != kRetiredPrefix) return std::nullopt;
  Retirement retirement;
  retirement.time_ms = get_big_endian(key.data() + 1, 8);
  retirement.id = static_cast<CoreId>(get_big_endian(key.data() + 9, kIdBytes));
  retirement.fork = get_big_endian(key.data() + 9 + kIdBytes, 8);
  return retirement;
}

std::string encode(CoreRow const& row) {
  std::string value(kCoreRowFixedBytes, '\0');
  put_big_endian(value.data(), number(row.id), kIdBytes);
  value[4] = row.has_manifest ? 1 : 0;
  put_little_endian(value.data() + 5, row.head.fork);
  put_little_endian(value.data() + 13, row.head.length);
  value.append(as_text(row.head.signature));
  return value;
}

std::optional<CoreRow> decode_core_row(std::string_view value) {
  if (value.size() < kCoreRowFixedBytes || static_cast<Byte>(value[4]) > 1) return std::nullopt;
  CoreRow row;
  row.id = static_cast<CoreId>(get_big_endian(value.data(), kIdBytes));
  row.has_manifest = value[4] == 1;
  row.head.fork = get_little_endian(value.data() + 5);
  row.head.length = get_little_endian(value.data() + 13);
  row.head.signature = to_bytes(as_bytes(value.substr(kCoreRowFixedBytes)));
  return row;
}

std::array<char, kNodeRowBytes> encode(merkle::Node const& node) {
  std::array<char, kNodeRowBytes> value;
  put_little_endian(value.data(), node.size);
  std::memcpy(value.data() + 8, node.hash.data(), Hash::kSize);
  return value;
}

std::optional<merkle::Node> decode_node(TreeIndex index, std::string_view value) {
  if (value.size() != kNodeRowBytes) return std::nullopt;
  merkle::Node node{index, get_little_endian(value.data()), {}};
  std::memcpy(node.hash.data(), value.data() + 8, Hash::kSize);
  return node;
}

std::string encode_u64(std::uint64_t value) {
  std::string out(8, '\0');
  put_little_endian(out.data(), value);
  return out;
}

std::optional<std::uint64_t> decode_u64(std::string_view value) {
  if (value.size() != 8) return std::nullopt;
  return get_little_endian(value.data());
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && static_cast<Byte>(prefix.back()) == 0xff) prefix.pop_back();
  HOLDFAST_CHECK(!prefix.empty());
  prefix.back() = static_cast<char>(static_cast<Byte>(prefix.back()) + 1);
  return prefix;
}

}  // namespace holdfast::store
