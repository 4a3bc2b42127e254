#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

/// A 32-byte key as people write it: 64 hex digits (either case) or 52 z-base-32 letters.
/// Errors: Malformed. The text itself is never part of the error: it may be a secret.
Result<std::array<Byte, 32>> parse_key(std::string_view text);

/// The same as a key of its own type, for example parse_key_as<CoreKey>(text).
template <typename Key>
Result<Key> parse_key_as(std::string_view text) {
  Result<std::array<Byte, 32>> const bytes = parse_key(text);
  if (!bytes) return Unexpected(bytes.error());
  return Key{*bytes};
}

}  // namespace holdfast
