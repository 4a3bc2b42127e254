#pragma once

#include <chrono>
#include <cstdint>

namespace holdfast {

/// A point on the caller's steady clock, in milliseconds. Pure code gets it as an argument and never asks for it.
struct SteadyClockTag {
  using rep = std::int64_t;
  using period = std::milli;
  using duration = std::chrono::milliseconds;
};
using Duration = std::chrono::milliseconds;
using Instant = std::chrono::time_point<SteadyClockTag, Duration>;

}  // namespace holdfast
