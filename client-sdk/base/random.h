#pragma once

#include <cstdint>

namespace holdfast {

/// The only door to randomness that is not key material: jitter, sampling, tie-breaks.
/// Production: a generator seeded by libsodium. Tests and simulator: a seed.
class Rng {
 public:
  virtual ~Rng() = default;
  virtual std::uint64_t next() = 0;
  /// Returns: a number in [0, bound). Requires: bound > 0. The bias of the modulo is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
};

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, the same on every machine. Not for secrets.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace holdfast
