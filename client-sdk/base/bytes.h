#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

using Byte = std::uint8_t;
using Bytes = std::vector<Byte>;
using ByteView = std::span<Byte const>;  ///< Borrowed; its owner must outlive it.

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<Byte const*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}
inline Bytes to_bytes(ByteView view) { return Bytes(view.begin(), view.end()); }
inline void append(Bytes& to, ByteView more) { to.insert(to.end(), more.begin(), more.end()); }

/// Lower-case hex.
std::string to_hex(ByteView bytes);
/// Returns: nothing unless `hex` is an even number of hex digits (either case).
std::optional<Bytes> from_hex(std::string_view hex);

/// N bytes that mean one thing: a CoreKey does not compare with a PublicKey.
template <typename Tag, std::size_t N>
struct FixedBytes {
  static constexpr std::size_t kSize = N;
  std::array<Byte, N> bytes{};

  /// Requires: view.size() == N is checked; returns nothing otherwise.
  static std::optional<FixedBytes> from(ByteView view) {
    if (view.size() != N) return std::nullopt;
    FixedBytes out;
    std::memcpy(out.bytes.data(), view.data(), N);
    return out;
  }
  /// Returns: nothing unless `hex` is exactly 2 N hex digits.
  static std::optional<FixedBytes> from_hex(std::string_view hex) {
    std::optional<Bytes> const raw = holdfast::from_hex(hex);
    return raw ? from(*raw) : std::nullopt;
  }

  ByteView view() const { return {bytes.data(), N}; }
  std::string hex() const { return to_hex(view()); }
  Byte* data() { return bytes.data(); }
  Byte const* data() const { return bytes.data(); }
  bool is_zero() const { return *this == FixedBytes{}; }

  friend auto operator<=>(FixedBytes const&, FixedBytes const&) = default;
};

}  // namespace holdfast

/// The bytes are hashes or keys, already spread evenly, so their first eight are hash enough
/// for tables whose keys were admitted by us. Tables keyed by strangers' choices use std::map.
template <typename Tag, std::size_t N>
struct std::hash<holdfast::FixedBytes<Tag, N>> {
  std::size_t operator()(holdfast::FixedBytes<Tag, N> const& value) const noexcept {
    static_assert(N >= sizeof(std::size_t));
    std::size_t out = 0;
    std::memcpy(&out, value.bytes.data(), sizeof out);
    return out;
  }
};
