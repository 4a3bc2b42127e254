#include "discovery/http/rate_limiter.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "crypto/keys.h"
#include "discovery/http/answers.h"

namespace holdfast::discovery {

namespace {

constexpr Duration kWaitEpoch{120'000};
constexpr unsigned kNarrowBits = 64;
constexpr unsigned kWideBits = 48;

RateBudget widened(RateBudget const& budget) {
  return {budget.per_second * kWideFactor, budget.burst * kWideFactor};
}

IpAddress narrow_network(IpAddress const& client) {
  return client.is_v4() ? client : network_of(client, kNarrowBits);
}

/// A name of its own for the /48, so that it does not meet the first /64 in it.
IpAddress wide_network(IpAddress const& client) {
  IpAddress out = network_of(client, kWideBits);
  out.bytes.back() = kWideBits;
  return out;
}

std::uint64_t first_word(IpAddress const& network) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    out = out << 8 | (network.is_v4() ? network.bytes[8 + i] : network.bytes[i]);
  }
  return out;
}

std::uint64_t whole_seconds_up(Duration duration) {
  return static_cast<std::uint64_t>((duration.count() + 999) / 1'000);
}

std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

}  // namespace

Result<RateMode> rate_mode_from_name(std::string_view name) {
  if (name == "off") return RateMode::Off;
  if (name == "measure") return RateMode::Measure;
  if (name == "enforce") return RateMode::Enforce;
  return Unexpected(ErrorCode::Malformed, "rate limits are off, measure or enforce");
}

RateLimiter::RateLimiter(RateLimiterOptions options) : options_(std::move(options)) {
  for (std::size_t i = 0; i < kShards; ++i) {
    std::array<Byte, 8> raw{};
    random_bytes(raw);
    std::uint64_t seed = 0;
    std::memcpy(&seed, raw.data(), sizeof seed);
    shards_.push_back(
        std::make_unique<Shard>(std::max(options_.buckets / kShards, GcraTable::kWays), seed));
  }
}

bool RateLimiter::is_free(std::optional<IpAddress> const& client) const {
  if (options_.mode == RateMode::Off || !client) return true;
  return std::any_of(options_.exempt.begin(), options_.exempt.end(),
                     [&](IpNetwork const& network) { return network.contains(*client); });
}

/// A /48 and all the /64 in it are in one shard, so that both are judged under one lock.
RateLimiter::Shard& RateLimiter::shard_of(IpAddress const& client) const {
  std::uint64_t const word =
      first_word(client.is_v4() ? client : network_of(client, kWideBits)) * 0x9e3779b97f4a7c15ULL;
  return *shards_[word >> 60];
}

RateVerdict RateLimiter::charge(std::optional<IpAddress> const& client, RateKind kind,
                                Instant now) {
  if (is_free(client)) return {};
  RateBudget const& budget = options_.budgets.of(kind);
  Shard& shard = shard_of(*client);
  MutexLock const lock(shard.mutex);
  RateVerdict verdict;
  if (!client->is_v4()) {
    verdict = shard.table.peek(wide_network(*client), kind, widened(budget), now);
  }
  if (!verdict.is_refused) verdict = shard.table.charge(narrow_network(*client), kind, budget, now);
  if (!verdict.is_refused && !client->is_v4()) {
    shard.table.charge(wide_network(*client), kind, widened(budget), now);
  }
  auto const at = static_cast<std::size_t>(kind);
  ++(verdict.is_refused ? shard.counters.refused : shard.counters.admitted)[at];
  if (options_.mode != RateMode::Enforce) verdict.is_refused = false;
  return verdict;
}

RateVerdict RateLimiter::peek(std::optional<IpAddress> const& client, RateKind kind, Instant now) {
  if (is_free(client) || options_.mode != RateMode::Enforce) return {};
  RateBudget const& budget = options_.budgets.of(kind);
  Shard& shard = shard_of(*client);
  MutexLock const lock(shard.mutex);
  RateVerdict verdict = shard.table.peek(narrow_network(*client), kind, budget, now);
  if (!verdict.is_refused && !client->is_v4()) {
    verdict = shard.table.peek(wide_network(*client), kind, widened(budget), now);
  }
  return verdict;
}

RateLimiter::Waiting& RateLimiter::waiting_of(Shard& shard, IpAddress const& network, Instant now) {
  Waiting& waiting = shard.waiting[first_word(network)];
  std::int64_t const epoch = now.time_since_epoch() / kWaitEpoch;
  if (waiting.epoch != epoch) {
    waiting.before = waiting.epoch + 1 == epoch ? waiting.now : 0;
    waiting.now = 0;
    waiting.epoch = epoch;
  }
  return waiting;
}

bool RateLimiter::begin_wait(std::optional<IpAddress> const& client, Instant now) {
  if (is_free(client)) return true;
  IpAddress const network = narrow_network(*client);
  Shard& shard = shard_of(*client);
  MutexLock const lock(shard.mutex);
  Waiting& waiting = waiting_of(shard, network, now);
  if (waiting.now + waiting.before >= options_.waiting_max) {
    ++shard.counters.waits_refused;
    if (options_.mode == RateMode::Enforce) return false;
  }
  ++waiting.now;
  return true;
}

void RateLimiter::end_wait(std::optional<IpAddress> const& client, Instant now) {
  if (is_free(client)) return;
  IpAddress const network = narrow_network(*client);
  Shard& shard = shard_of(*client);
  MutexLock const lock(shard.mutex);
  Waiting& waiting = waiting_of(shard, network, now);
  if (waiting.before > 0) {
    --waiting.before;
  } else if (waiting.now > 0) {
    --waiting.now;
  }
  if (waiting.before + waiting.now == 0) shard.waiting.erase(first_word(network));
}

std::vector<std::uint64_t> RateLimiter::top_talkers(std::size_t count, Instant now) {
  std::vector<std::uint64_t> sums;
  for (std::unique_ptr<Shard> const& shard : shards_) {
    MutexLock const lock(shard->mutex);
    shard->table.add_talk(now, sums);
    // Of those that left without an answer.
    std::int64_t const epoch = now.time_since_epoch() / kWaitEpoch;
    std::erase_if(shard->waiting, [&](auto const& each) { return each.second.epoch + 1 < epoch; });
  }
  std::sort(sums.rbegin(), sums.rend());
  if (sums.size() > count) sums.resize(count);
  return sums;
}

RateCounters RateLimiter::counters() const {
  RateCounters sum;
  for (std::unique_ptr<Shard> const& shard : shards_) {
    MutexLock const lock(shard->mutex);
    for (std::size_t i = 0; i < kRateKinds; ++i) {
      sum.admitted[i] += shard->counters.admitted[i];
      sum.refused[i] += shard->counters.refused[i];
    }
    sum.waits_refused += shard->counters.waits_refused;
  }
  return sum;
}

void add_rate_limit_fields(HttpResponse& response, RateKind kind, RateBudget const& budget,
                           RateVerdict const& verdict) {
  std::string const name = quoted(rate_kind_name(kind));
  std::uint64_t const window_s = std::max<std::uint64_t>(1, budget.burst / budget.per_second);
  response.headers.set("RateLimit-Policy", name + ";q=" + std::to_string(budget.burst) +
                                               ";w=" + std::to_string(window_s));
  std::string text = name + ";r=" + std::to_string(verdict.remaining);
  if (verdict.is_refused) text += ";t=" + std::to_string(whole_seconds_up(verdict.retry_after));
  response.headers.set("RateLimit", std::move(text));
}

HttpResponse rate_limited_response(RateKind kind, RateBudget const& budget,
                                   RateVerdict const& verdict) {
  SystemRng rng;
  std::uint64_t const least_s = std::max<std::uint64_t>(1, whole_seconds_up(verdict.retry_after));
  std::uint64_t const retry_s = least_s + rng.below(least_s / 2 + 1);
  HttpResponse response = problem_response(
      problem_document(registration::ProblemType::RateLimited,
                       "too many requests of this kind from this network", retry_s));
  add_rate_limit_fields(response, kind, budget, verdict);
  return response;
}

void limit_routes(Router& router, RateLimiter& limiter, std::function<Instant()> clock) {
  router.wrap_handlers([&limiter, clock = std::move(clock)](std::string const& method,
                                                            std::string const& pattern,
                                                            HttpHandler handler) {
    bool const is_life_line =
        pattern == "/nonce" || pattern.ends_with("/renew") || pattern.ends_with("/assignments");
    RateKind const kind = is_life_line      ? RateKind::Renewal
                          : method == "GET" ? RateKind::Read
                                            : RateKind::Write;
    return limited(limiter, kind, clock, std::move(handler));
  });
}

HttpHandler limited(RateLimiter& limiter, RateKind kind, std::function<Instant()> clock,
                    HttpHandler handler) {
  return [&limiter, kind, clock = std::move(clock),
          handler = std::move(handler)](HttpRequest const& request) -> HttpOutcome {
    if (request.call != Call::First || limiter.mode() == RateMode::Off) return handler(request);
    RateVerdict const verdict = limiter.charge(request.peer.address, kind, clock());
    RateBudget const& budget = limiter.budgets().of(kind);
    if (verdict.is_refused) return rate_limited_response(kind, budget, verdict);
    HttpOutcome outcome = handler(request);
    if (!verdict.is_limited) return outcome;
    return with_response(std::move(outcome), [kind, &budget, verdict](HttpResponse& response) {
      add_rate_limit_fields(response, kind, budget, verdict);
    });
  };
}

}  // namespace holdfast::discovery
