#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/time.h"

namespace holdfast::discovery {

/// Values as words of a Redis command.
inline std::string raw(ByteView bytes) { return std::string(as_text(bytes)); }
inline std::string digits(std::uint64_t number) { return std::to_string(number); }
/// Milliseconds; nothing negative.
inline std::string digits(Duration duration) {
  return std::to_string(std::max<Duration::rep>(duration.count(), 0));
}

}  // namespace holdfast::discovery
