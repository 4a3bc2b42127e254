#pragma once

#include <chrono>
#include <cstdint>

namespace holdfast::replicator {

/// Unix time by this computer's clock, which may be wrong: small computers start with any.
inline std::uint64_t unix_ms() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace holdfast::replicator
