#pragma once

#include <cstdint>
#include <optional>

#include "base/random.h"
#include "base/time.h"
#include "crypto/keys.h"
#include "discovery/registry/region.h"
#include "registration/api.h"

namespace holdfast::discovery {

/// GET /project/{key}/sync, its parameters parsed. Never stored, never logged.
struct LookupQuery {
  DiscoveryKey key;
  RegionWish region;
  std::optional<registration::AddressKind> transport;
  std::optional<PublicKey> keyholder;
};

/// When to renew a lease that is granted now: a third of it, less up to a fifth of that at random,
/// in whole seconds, at least 1. Requires: lease >= 3 s.
std::uint64_t renew_in_s(Duration lease, Rng& rng);

}  // namespace holdfast::discovery
