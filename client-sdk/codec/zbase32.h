#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast {

inline constexpr std::size_t kZbase32KeyLetters = 52;  ///< Letters of 32 bytes.

/// z-base-32 of 32 bytes: 52 lower-case letters and digits.
std::string to_zbase32(std::span<Byte const, 32> key);
/// Returns: nothing unless `text` is 52 letters of the alphabet (lower case) whose four padding
/// bits are zero.
///   Why: one spelling per key.
std::optional<std::array<Byte, 32>> from_zbase32(std::string_view text);

}  // namespace holdfast
