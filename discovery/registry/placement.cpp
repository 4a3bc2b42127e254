#include "discovery/registry/placement.h"

#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr int kFractionBits = 56;
constexpr int kTableBits = 8;
constexpr std::size_t kTableSize = std::size_t{1} << kTableBits;

/// SplitMix64's finaliser: a bijection that spreads every bit.
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint64_t fold(ByteView bytes, std::uint64_t start) {
  std::uint64_t out = start;
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) word = word << 8 | bytes[at + i];
    out = mix(out + 0x9e3779b97f4a7c15ULL + word);
  }
  return out;
}

constexpr std::uint64_t times(std::uint64_t a, std::uint64_t b, int shift) {
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> shift);
}

/// log2(1 + i / kTableSize) with kFractionBits, one bit at a time by squaring.
constexpr std::uint64_t slow_log2(std::size_t i) {
  std::uint64_t x = (std::uint64_t{1} << 62) + (i << (62 - kTableBits));
  std::uint64_t out = 0;
  for (int bit = 0; bit < kFractionBits; ++bit) {
    x = times(x, x, 62);
    out <<= 1;
    if (x >= std::uint64_t{1} << 63) {
      x >>= 1;
      out |= 1;
    }
  }
  return out;
}

constexpr std::array<std::uint64_t, kTableSize> make_table() {
  std::array<std::uint64_t, kTableSize> out{};
  for (std::size_t i = 0; i < kTableSize; ++i) out[i] = slow_log2(i);
  return out;
}

constexpr std::array<std::uint64_t, kTableSize> kLog2Table = make_table();
constexpr std::uint64_t kOneOverLn2 = 0x171547652b82fe17ULL;  // 1 / ln 2 with 60 fractional bits.

bool has(std::vector<PublicKey> const& ids, PublicKey const& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// A candidate that can be taken, with what it is ordered by.
struct Ranked {
  std::size_t at;
  bool is_new;          ///< Does not have the key already, or is busy.
  std::uint32_t steps;  ///< To the region that is wished.
  bool is_busy;
  std::uint64_t cost;
  PublicKey const* id;

  bool operator<(Ranked const& other) const {
    return std::tie(is_new, steps, is_busy, cost, *id) <
           std::tie(other.is_new, other.steps, other.is_busy, other.cost, *other.id);
  }
};

Ranked rank(PlacementQuery const& query, std::uint64_t key_seed, Candidate const& candidate,
            std::size_t at) {
  return {.at = at,
          .is_new = candidate.is_busy || !has(query.current, candidate.id),
          .steps = query.region.steps_to(candidate.region),
          .is_busy = candidate.is_busy,
          .cost = cost_of(key_seed, candidate.seed, candidate.weight),
          .id = &candidate.id};
}

/// What was taken from an order, best first.
struct Choice {
  std::vector<std::size_t> chosen;
  std::size_t groups = 0;  ///< How many of them were taken for a group of their own.
};

/// Takes from `order` (best first) one per group, then, if that is not enough, whoever is next.
Choice choose(std::vector<Ranked> const& order, std::vector<Candidate> const& candidates,
              std::size_t replicas) {
  Choice out;
  std::vector<std::size_t> left_over;
  std::set<std::string_view> groups;
  for (Ranked const& each : order) {
    if (out.chosen.size() == replicas) break;
    std::string const& group = candidates[each.at].group;
    if (group.empty() || groups.insert(group).second) {
      out.chosen.push_back(each.at);
    } else if (left_over.size() < replicas) {
      left_over.push_back(each.at);
    }
  }
  out.groups = out.chosen.size();
  for (std::size_t const at : left_over) {
    if (out.chosen.size() < replicas) out.chosen.push_back(at);
  }
  return out;
}

Verdict verdict_of(std::size_t at, std::vector<std::size_t> const& chosen,
                   std::vector<Candidate> const& candidates) {
  if (std::find(chosen.begin(), chosen.end(), at) != chosen.end()) return Verdict::Chosen;
  std::string const& group = candidates[at].group;
  bool const is_same_group =
      !group.empty() && std::any_of(chosen.begin(), chosen.end(), [&](std::size_t other) {
        return candidates[other].group == group;
      });
  return is_same_group ? Verdict::SameGroup : Verdict::Outranked;
}

}  // namespace

std::uint64_t seed_of(DiscoveryKey const& key) { return fold(key.view(), 0x686f6c6466617374ULL); }
std::uint64_t seed_of(PublicKey const& id) { return fold(id.view(), 0x7265706c69636174ULL); }

std::uint64_t weight_of_capacity(std::uint64_t capacity) {
  return capacity == 0 ? kWeightDefault : std::min(capacity, kWeightMax);
}

std::uint64_t negative_log2(std::uint64_t h) {
  if (h == ~std::uint64_t{0}) return 0;
  std::uint64_t const x = h + 1;
  int const zeros = std::countl_zero(x);
  std::uint64_t const mantissa = x << zeros
                                   << 1;  // The leading one shifted out: fraction of 64 bits.
  std::uint64_t const i = mantissa >> (64 - kTableBits);
  // x = 2^e (1 + i/256)(1 + r) with r below 1/256; ln(1 + r) by its series, with 64 fractional bits.
  std::uint64_t const rest = mantissa << kTableBits >> kTableBits;
  std::uint64_t const base = (std::uint64_t{1} << kTableBits) + i;
  std::uint64_t const r =
      static_cast<std::uint64_t>((static_cast<Wide>(rest) << kTableBits) / base);
  std::uint64_t const r2 = times(r, r, 64);
  std::uint64_t const r3 = times(r2, r, 64);
  std::uint64_t const r4 = times(r3, r, 64);
  std::uint64_t const ln = r - r2 / 2 + r3 / 3 - r4 / 4;
  std::uint64_t const log2 = kLog2Table[i] + times(ln, kOneOverLn2, 60 + 64 - kFractionBits);
  std::uint64_t const whole = static_cast<std::uint64_t>(zeros + 1) << kFractionBits;
  return whole > log2 ? whole - log2 : 0;
}

std::uint64_t cost_of(std::uint64_t key_seed, std::uint64_t id_seed, std::uint64_t weight) {
  HOLDFAST_CHECK(weight >= 1 && weight <= kWeightMax);
  return negative_log2(mix(key_seed ^ id_seed)) / weight;
}

std::string_view verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::Chosen:
      return "chosen";
    case Verdict::LeaseRanOut:
      return "lease-ran-out";
    case Verdict::Draining:
      return "draining";
    case Verdict::NotTested:
      return "not-tested";
    case Verdict::TestFailed:
      return "test-failed";
    case Verdict::Unhealthy:
      return "unhealthy";
    case Verdict::NoTransport:
      return "no-transport";
    case Verdict::NoProof:
      return "no-proof";
    case Verdict::NotAccepting:
      return "not-accepting";
    case Verdict::Full:
      return "full";
    case Verdict::SameGroup:
      return "same-group";
    case Verdict::Excluded:
      return "excluded";
    case Verdict::Outranked:
      return "outranked";
  }
  return "";
}

Placement place(PlacementQuery const& query, std::vector<Candidate> const& candidates,
                bool with_trace) {
  std::uint64_t const key_seed = seed_of(query.key);
  std::vector<Ranked> order;
  Placement out;
  for (std::size_t at = 0; at < candidates.size(); ++at) {
    Candidate const& candidate = candidates[at];
    bool const is_excluded = has(query.excluded, candidate.id);
    if (candidate.standing == Verdict::Chosen && !is_excluded) {
      order.push_back(rank(query, key_seed, candidate, at));
    } else if (with_trace) {
      out.trace.push_back({at, is_excluded ? Verdict::Excluded : candidate.standing,
                           cost_of(key_seed, candidate.seed, candidate.weight)});
    }
  }
  // Most choices end among the first few; groups may make one go deeper.
  std::size_t const first = std::min(order.size(), query.replicas * 8 + 8);
  auto const middle = order.begin() + static_cast<std::ptrdiff_t>(first);
  std::partial_sort(order.begin(), middle, order.end());
  Choice choice = choose({order.begin(), middle}, candidates, query.replicas);
  if (with_trace || (choice.groups < query.replicas && middle != order.end())) {
    std::sort(middle, order.end());
    choice = choose(order, candidates, query.replicas);
  }
  out.chosen = std::move(choice.chosen);
  if (!with_trace) return out;
  std::vector<Placement::Step> steps;
  steps.reserve(order.size());
  for (Ranked const& each : order) {
    steps.push_back({each.at, verdict_of(each.at, out.chosen, candidates), each.cost});
  }
  std::sort(out.trace.begin(), out.trace.end(), [&](auto const& a, auto const& b) {
    return candidates[a.candidate].id < candidates[b.candidate].id;
  });
  out.trace.insert(out.trace.begin(), steps.begin(), steps.end());
  return out;
}

}  // namespace holdfast::discovery
