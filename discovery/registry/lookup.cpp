#include "discovery/registry/lookup.h"

#include <algorithm>

#include "base/check.h"

namespace holdfast::discovery {

std::uint64_t renew_in_s(Duration lease, Rng& rng) {
  HOLDFAST_CHECK(lease >= Duration(3'000));
  std::uint64_t const third_ms = static_cast<std::uint64_t>(lease.count()) / 3;
  std::uint64_t const jittered_ms = third_ms - rng.below(third_ms / 5 + 1);
  return std::max<std::uint64_t>(1, jittered_ms / 1000);
}

}  // namespace holdfast::discovery
