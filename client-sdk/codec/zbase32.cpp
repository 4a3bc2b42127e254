#include "codec/zbase32.h"

namespace holdfast {

namespace {

constexpr std::string_view kAlphabet = "ybndrfg8ejkmcpqxot1uwisza345h769";

}  // namespace

std::string to_zbase32(std::span<Byte const, 32> key) {
  std::string out;
  out.reserve(kZbase32KeyLetters);
  unsigned buffer = 0;
  unsigned bits = 0;
  for (Byte const byte : key) {
    buffer = (buffer << 8 | byte) & 0xfff;  // At most four bits wait for the next letter.
    for (bits += 8; bits >= 5; bits -= 5) out.push_back(kAlphabet[buffer >> (bits - 5) & 31]);
  }
  out.push_back(kAlphabet[buffer << (5 - bits) & 31]);
  return out;
}

std::optional<std::array<Byte, 32>> from_zbase32(std::string_view text) {
  if (text.size() != kZbase32KeyLetters) return std::nullopt;
  std::array<Byte, 32> out{};
  std::size_t filled = 0;
  unsigned buffer = 0;
  unsigned bits = 0;
  for (char const letter : text) {
    std::size_t const value = kAlphabet.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    buffer = (buffer << 5 | static_cast<unsigned>(value)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    out[filled++] = static_cast<Byte>(buffer >> bits);
  }
  if ((buffer & ((1U << bits) - 1)) != 0) return std::nullopt;
  return out;
}

}  // namespace holdfast
