#include "codec/key_text.h"

#include <algorithm>

#include "codec/zbase32.h"

namespace holdfast {

Result<std::array<Byte, 32>> parse_key(std::string_view text) {
  if (text.size() == kZbase32KeyLetters) {
    if (auto const key = from_zbase32(text)) return *key;
  } else if (text.size() == 64) {
    if (auto const bytes = from_hex(text)) {
      std::array<Byte, 32> key{};
      std::copy(bytes->begin(), bytes->end(), key.begin());
      return key;
    }
  }
  return Unexpected(ErrorCode::Malformed, "a key is 64 hex digits or 52 z-base-32 letters");
}

}  // namespace holdfast
