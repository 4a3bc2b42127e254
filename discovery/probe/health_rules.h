#pragma once

#include <cstdint>

#include "base/random.h"
#include "base/time.h"
#include "discovery/probe/probe_target.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

inline constexpr std::uint32_t kFailsUntilOut = 3;
inline constexpr std::uint32_t kPassesUntilBack = 2;

/// What a replicator's health is after one more test. Pure.
///
/// Rules:
///  1. The first test of a record decides whether it is listed at all; one that says nothing leaves it pending.
///  2. From then on three failures in a row take it out of the answers, two passes bring it back (flap damping).
///  3. A name that leads to a forbidden address takes it out at once.
///  4. Nothing here is for ever: whatever failed is out only until it passes again.
Health after_test(Health health, ProbeReport const& report, std::uint64_t now_unix_ms);

/// How long until the next test: a lease while it is new, four when it is steady, half of one behind a failure, and
/// longer and longer, up to 64 leases, for what is out or never passed. What passed is left alone for `round` at least.
/// A quarter more or less at random.
Duration recheck_delay(Health const& health, Duration lease, Duration round, Rng& rng);

}  // namespace holdfast::discovery
