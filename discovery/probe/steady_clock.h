#pragma once

#include <chrono>

#include "base/time.h"

namespace holdfast::discovery {

/// Now, on the clock that every Instant of the shells means. Pure code gets it as an argument.
inline Instant steady_now() {
  return Instant(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

}  // namespace holdfast::discovery
