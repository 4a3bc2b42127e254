#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace holdfast::registration {

/// URL-safe alphabet, no padding: how binary values travel in JSON.
std::string to_base64url(ByteView bytes);
/// Returns: nothing for any other spelling of the same bytes (padding, wrong alphabet, spare bits
/// set) and for more than `bytes_max` decoded bytes. Why one spelling: values are compared as text.
std::optional<Bytes> from_base64url(std::string_view text, std::size_t bytes_max);

/// Standard alphabet with padding: how binary values travel in structured header fields.
std::string to_base64(ByteView bytes);
/// Returns: nothing for any spelling but the one to_base64 writes, or above `bytes_max`.
std::optional<Bytes> from_base64(std::string_view text, std::size_t bytes_max);

}  // namespace holdfast::registration
