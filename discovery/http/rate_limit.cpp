#include "discovery/http/rate_limit.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::uint32_t kRefusedMax = 60;  // Seconds added to Retry-After at most.

std::int64_t micros_of(Instant now) { return now.time_since_epoch().count() * 1'000; }

std::uint32_t window_of(Instant now) {
  return static_cast<std::uint32_t>(now.time_since_epoch() / GcraTable::kTalkWindow) + 1;
}

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::int64_t span_us(std::uint64_t requests, RateBudget const& budget) {
  return static_cast<std::int64_t>(requests) * kMicrosPerSecond /
         static_cast<std::int64_t>(budget.per_second);
}

/// Rule 1, for a bucket that is full again at `full_at_us`. Returns by how much one more request is too early.
std::int64_t excess_us(std::int64_t full_at_us, RateBudget const& budget, std::int64_t now_us) {
  std::int64_t const start = std::max(full_at_us, now_us);
  return start + span_us(1, budget) - now_us -
         std::max(span_us(budget.burst, budget), span_us(1, budget));
}

std::uint64_t room(std::int64_t full_at_us, RateBudget const& budget, std::int64_t now_us) {
  std::int64_t const used_us = std::max<std::int64_t>(0, full_at_us - now_us);
  std::int64_t const left_us = std::max<std::int64_t>(0, span_us(budget.burst, budget) - used_us);
  return static_cast<std::uint64_t>(left_us) * budget.per_second / kMicrosPerSecond;
}

RateVerdict judge(std::int64_t full_at_us, std::uint32_t refused_in_row, RateBudget const& budget,
                  std::int64_t now_us) {
  std::int64_t const excess = excess_us(full_at_us, budget, now_us);
  if (excess <= 0) {
    std::int64_t const next = std::max(full_at_us, now_us) + span_us(1, budget);
    return {true, false, Duration(0), room(next, budget, now_us)};
  }
  Duration const patience{1'000 * static_cast<std::int64_t>(std::min(refused_in_row, kRefusedMax))};
  return {true, true, Duration((excess + 999) / 1'000) + patience, 0};
}

}  // namespace

std::string_view rate_kind_name(RateKind kind) {
  switch (kind) {
    case RateKind::Found:
      return "found";
    case RateKind::NotFound:
      return "not-found";
    case RateKind::Read:
      return "read";
    case RateKind::Write:
      return "write";
    case RateKind::Renewal:
      return "renewal";
    case RateKind::NewKey:
      return "new-key";
  }
  return "";
}

RateBudget const& RateBudgets::of(RateKind kind) const {
  switch (kind) {
    case RateKind::Found:
      return found;
    case RateKind::NotFound:
      return not_found;
    case RateKind::Read:
      return read;
    case RateKind::Write:
      return write;
    case RateKind::Renewal:
      return renewal;
    case RateKind::NewKey:
      return new_key;
  }
  return not_found;
}

GcraTable::GcraTable(std::size_t bucket_count, std::uint64_t seed)
    : buckets_(bucket_count), seed_(seed) {
  HOLDFAST_CHECK(bucket_count >= kWays && std::has_single_bit(bucket_count));
}

std::uint64_t GcraTable::tag_of(IpAddress const& network, RateKind kind) const {
  std::uint64_t tag = mix(seed_ + static_cast<std::uint64_t>(kind) + 1);
  for (std::size_t at = 0; at < network.bytes.size(); at += 8) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i) word = word << 8 | network.bytes[at + i];
    tag = mix(tag ^ word) + seed_;
  }
  return tag == 0 ? 1 : tag;
}

GcraTable::Bucket const* GcraTable::find(std::uint64_t tag) const {
  Bucket const* const set = &buckets_[tag & (buckets_.size() - 1) & ~(kWays - 1)];
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set[way].tag == tag) return &set[way];
  }
  return nullptr;
}

/// Makes a place for it if there is none.
GcraTable::Bucket* GcraTable::find(std::uint64_t tag) {
  Bucket* const set = &buckets_[tag & (buckets_.size() - 1) & ~(kWays - 1)];
  Bucket* emptiest = set;
  for (std::size_t way = 0; way < kWays; ++way) {
    if (set[way].tag == tag) return &set[way];
    std::int64_t const least = std::numeric_limits<std::int64_t>::min();
    std::int64_t const here = set[way].tag == 0 ? least : set[way].full_at_us;
    if (here < (emptiest->tag == 0 ? least : emptiest->full_at_us)) emptiest = &set[way];
  }
  *emptiest = Bucket{};
  emptiest->tag = tag;
  emptiest->full_at_us = std::numeric_limits<std::int64_t>::min() / 2;
  return emptiest;
}

void GcraTable::count_talk(Bucket& bucket, Instant now) {
  std::uint32_t const window = window_of(now);
  if (bucket.window != window) {
    bucket.talk_before = bucket.window + 1 == window ? bucket.talk : 0;
    bucket.talk = 0;
    bucket.window = window;
  }
  ++bucket.talk;
}

RateVerdict GcraTable::charge(IpAddress const& network, RateKind kind, RateBudget const& budget,
                              Instant now) {
  Bucket& bucket = *find(tag_of(network, kind));
  count_talk(bucket, now);
  std::int64_t const now_us = micros_of(now);
  RateVerdict const verdict = judge(bucket.full_at_us, bucket.refused_in_row, budget, now_us);
  if (verdict.is_refused) {
    bucket.refused_in_row = std::min(bucket.refused_in_row + 1, kRefusedMax);
  } else {
    bucket.refused_in_row = 0;
    bucket.full_at_us = std::max(bucket.full_at_us, now_us) + span_us(1, budget);
  }
  return verdict;
}

RateVerdict GcraTable::peek(IpAddress const& network, RateKind kind, RateBudget const& budget,
                            Instant now) const {
  Bucket const* const bucket = find(tag_of(network, kind));
  if (bucket == nullptr) return {true, false, Duration(0), budget.burst};
  return judge(bucket->full_at_us, bucket->refused_in_row, budget, micros_of(now));
}

void GcraTable::add_talk(Instant now, std::vector<std::uint64_t>& sums) const {
  std::uint32_t const window = window_of(now);
  for (Bucket const& bucket : buckets_) {
    if (bucket.tag == 0) continue;
    if (bucket.window == window && bucket.talk_before > 0) sums.push_back(bucket.talk_before);
    if (bucket.window + 1 == window && bucket.talk > 0) sums.push_back(bucket.talk);
  }
}

}  // namespace holdfast::discovery
