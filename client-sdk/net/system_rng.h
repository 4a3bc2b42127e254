#pragma once

#include "base/random.h"
#include "crypto/keys.h"

namespace holdfast::net {

/// A generator for jitter and tie-breaks whose seed comes from the operating system.
inline SeededRng system_rng() {
  Seed seed;
  random_bytes(seed.bytes);
  return SeededRng(std::hash<Seed>{}(seed));
}

}  // namespace holdfast::net
