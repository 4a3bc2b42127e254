#include "registration/base64.h"

#include <cstdint>

namespace holdfast::registration {

namespace {

constexpr std::string_view kUrlAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::string_view kStandardAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string encode(ByteView bytes, std::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (Byte const byte : bytes) {
    bits = (bits << 8 | byte) & 0xffff;
    for (held += 8; held >= 6; held -= 6) out.push_back(alphabet[bits >> (held - 6) & 63]);
  }
  if (held > 0) out.push_back(alphabet[bits << (6 - held) & 63]);
  return out;
}

int value_of(char c, std::string_view alphabet) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == alphabet[62]) return 62;
  if (c == alphabet[63]) return 63;
  return -1;
}

std::optional<Bytes> decode(std::string_view text, std::string_view alphabet,
                            std::size_t bytes_max) {
  if (text.size() % 4 == 1 || text.size() / 4 * 3 > bytes_max) return std::nullopt;
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (char const c : text) {
    int const value = value_of(c, alphabet);
    if (value < 0) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<Byte>(bits >> held & 0xff));
  }
  // Spare bits that are set would be a second spelling of the same bytes.
  if ((bits & ((1U << held) - 1)) != 0 || out.size() > bytes_max) return std::nullopt;
  return out;
}

}  // namespace

std::string to_base64url(ByteView bytes) { return encode(bytes, kUrlAlphabet); }

std::optional<Bytes> from_base64url(std::string_view text, std::size_t bytes_max) {
  return decode(text, kUrlAlphabet, bytes_max);
}

std::string to_base64(ByteView bytes) {
  std::string out = encode(bytes, kStandardAlphabet);
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

std::optional<Bytes> from_base64(std::string_view text, std::size_t bytes_max) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return decode(text, kStandardAlphabet, bytes_max);
}

}  // namespace holdfast::registration
