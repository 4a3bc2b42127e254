#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/keys.h"
#include "discovery/registry/region.h"

namespace holdfast::discovery {

/// Weighted rendezvous hashing: every instance computes the same order for a key without talking to any other, and a
/// replicator that joins or leaves moves only its own share of the keys.
///
/// Rules:
///  1. The cost of a replicator for a key is −log2(h) / weight with h uniform in (0, 1], and the lowest cost is first.
///     That is the order of −w / ln(h). Integer arithmetic only. Why: floating point differs between machines.
///  2. h depends on all bytes of both, and for a given replicator is spread evenly over the keys. Why: nobody can choose
///     an id that comes first for every key.
///  3. Weight is the declared capacity, within kWeightMax; who declares none weighs kWeightDefault.
inline constexpr std::uint64_t kWeightMax = 1'000'000;
inline constexpr std::uint64_t kWeightDefault = 1'000;

/// Each side hashed by itself, so that it can be kept: cost_of is then a few nanoseconds.
std::uint64_t seed_of(DiscoveryKey const& key);
std::uint64_t seed_of(PublicKey const& id);
std::uint64_t weight_of_capacity(std::uint64_t capacity);
/// Requires: 1 <= weight <= kWeightMax.
std::uint64_t cost_of(std::uint64_t key_seed, std::uint64_t id_seed, std::uint64_t weight);

/// −log2((h + 1) / 2^64) with 56 fractional bits; off by less than 2^-38. Exposed for its test.
std::uint64_t negative_log2(std::uint64_t h);

/// Why a candidate was or was not chosen.
enum class Verdict : std::uint8_t {
  Chosen,
  LeaseRanOut,
  Draining,
  NotTested,     ///< The self-test of its addresses has not passed yet.
  TestFailed,    ///< It failed.
  Unhealthy,     ///< Probes took it out.
  NoTransport,   ///< No address of the kind that was asked for.
  NoProof,       ///< No valid proof by the keyholder that was asked for.
  NotAccepting,  ///< Hosts only what its owner listed.
  Full,          ///< Storage full, or as many projects as its capacity.
  SameGroup,     ///< Fails together with one that was chosen.
  Excluded,      ///< The caller ruled it out (tried before).
  Outranked,     ///< Enough others come before it.
};
/// "chosen", "lease-ran-out", …: stable, for programs.
std::string_view verdict_name(Verdict verdict);

/// A replicator that a key could be placed on.
struct Candidate {
  PublicKey id;
  std::uint64_t seed = 0;  ///< seed_of(id).
  std::uint64_t weight = kWeightDefault;
  std::string region;
  std::string group;  ///< Empty: fails alone.
  Verdict standing =
      Verdict::Chosen;  ///< Chosen: nothing speaks against it. Else why it cannot be taken.
  bool is_busy =
      false;  ///< Above the load bound (with hysteresis): behind the others of its region.
};

struct PlacementQuery {
  DiscoveryKey key;
  RegionWish region;  ///< Candidates there come first.
  std::size_t replicas = 2;
  std::vector<PublicKey>
      current;  ///< Who has it already: stays while it can be taken and is not busy.
  std::vector<PublicKey> excluded;
};

struct Placement {
  std::vector<std::size_t>
      chosen;  ///< Positions in the candidates, best first; at most `replicas`.
  struct Step {
    std::size_t candidate;
    Verdict verdict;
    std::uint64_t cost;
  };
  std::vector<Step> trace;  ///< Every candidate, best first; empty unless it was asked for.
};

/// Chooses where a key goes. Order: who has it already and is not busy; region; not busy; cost; id. One per failure group
/// until groups run out. The same arguments in any order of candidates lead to the same choice.
/// Cost: O(n) in the candidates, and O(n log n) with a trace.
Placement place(PlacementQuery const& query, std::vector<Candidate> const& candidates,
                bool with_trace = false);

/// Below half healthy, health is ignored. Why: a prober with a broken network must not empty the service.
/// `listed`: on a live lease and tested; `out`: of these, taken out by probes.
constexpr bool is_panic(std::size_t listed, std::size_t out) { return out * 2 > listed; }

}  // namespace holdfast::discovery
