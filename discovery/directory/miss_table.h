#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/time.h"
#include "crypto/keys.h"

namespace holdfast::discovery {

/// What is remembered of a key for which there is no hosting set.
enum class MissKind : std::uint8_t {
  Unknown,     ///< Nobody lists it.
  ProjectKey,  ///< Nobody lists it, and somebody lists its hash.
  Recovering,  ///< Nobody lists it, in a store that lost its data less than a lease ago.
  Away,        ///< The store did not answer.
};

/// Short memory of keys without a hosting set, under a name that does not give the key away: a hash keyed with a secret.
/// How often a key is asked for is remembered a while longer, so that it costs its askers more patience each time.
/// Fixed size: new names take the place of the oldest among kWays. Not thread-safe. Memory: 24 bytes per name.
class MissTable {
 public:
  static constexpr std::size_t kWays = 4;
  using Name = std::uint64_t;  ///< Never 0.

  /// Requires: count is a power of two, at least kWays.
  explicit MissTable(std::size_t count) : slots_(count) {}

  struct Miss {
    MissKind kind = MissKind::Unknown;
    std::uint32_t asked = 0;  ///< This time included; starts again after asked_life without asking.
  };
  /// Returns: what is remembered, if it is fresh.
  std::optional<Miss> find(Name name, Instant now);
  void put(Name name, MissKind kind, Instant now, Duration life);
  /// It has changed. How often it was asked for is forgotten, too.
  void erase(Name name);
  /// Nothing is fresh any more; how often is kept.
  void make_stale();

 private:
  struct Slot {
    Name name = 0;
    std::int64_t fresh_until_ms = 0;
    std::uint32_t asked = 0;
    std::uint16_t asked_at_min = 0;
    MissKind kind = MissKind::Unknown;
  };
  Slot* find_slot(Name name);

  std::vector<Slot> slots_;
};

}  // namespace holdfast::discovery
