#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip_network.h"
#include "base/mutex.h"
#include "base/result.h"
#include "base/time.h"
#include "discovery/http/rate_limit.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

enum class RateMode : std::uint8_t {
  Off,      ///< Nothing is counted.
  Measure,  ///< Counted as if enforced, and let through.
  Enforce,
};
/// "off", "measure", "enforce". Errors: Malformed.
Result<RateMode> rate_mode_from_name(std::string_view name);

struct RateLimiterOptions {
  RateMode mode = RateMode::Enforce;
  RateBudgets budgets{};
  std::vector<IpNetwork> exempt{};             ///< Not limited at all.
  std::size_t buckets = std::size_t{1} << 17;  ///< Over all shards; a power of two.
  std::uint64_t waiting_max = 1'024;           ///< Requests of one network that are held at once.
};

struct RateCounters {
  std::array<std::uint64_t, kRateKinds> admitted{};
  std::array<std::uint64_t, kRateKinds> refused{};  ///< In Measure: would have been.
  std::uint64_t waits_refused = 0;
};

/// The budgets of all client networks of one instance: what each of them may ask, and how much of it may be held at once.
///
/// Rules:
///  1. The network is that of the request's peer address: IPv4 /32; IPv6 /64 and, with a wider budget, /48.
///  2. A client whose address is not known (a Unix socket) is not limited.
///  3. Measure and Enforce count alike, so that what Enforce would do can be seen before it is switched on.
/// Thread-safe; memory is fixed.
class RateLimiter {
 public:
  explicit RateLimiter(RateLimiterOptions options);

  /// Charges one request. Returns: refused only in Enforce.
  RateVerdict charge(std::optional<IpAddress> const& client, RateKind kind, Instant now);
  /// Whether a request would be refused now; charges and counts nothing.
  RateVerdict peek(std::optional<IpAddress> const& client, RateKind kind, Instant now);

  /// A request begins to be held for at most two minutes. Returns: false if its network holds too many.
  bool begin_wait(std::optional<IpAddress> const& client, Instant now);
  /// It was answered. One whose client left and that never gets here is forgotten after two to four minutes.
  void end_wait(std::optional<IpAddress> const& client, Instant now);

  /// Requests in the last full minute of the `count` busiest buckets, largest first; no addresses.
  std::vector<std::uint64_t> top_talkers(std::size_t count, Instant now);
  RateCounters counters() const;
  RateMode mode() const { return options_.mode; }
  RateBudgets const& budgets() const { return options_.budgets; }

 private:
  static constexpr std::size_t kShards = 16;
  struct Waiting {
    std::int64_t epoch = 0;
    std::uint64_t now = 0;     ///< Begun in this epoch.
    std::uint64_t before = 0;  ///< In the one before.
  };
  struct Shard {
    explicit Shard(std::size_t buckets, std::uint64_t seed) : table(buckets, seed) {}
    Mutex mutex;
    GcraTable table HOLDFAST_GUARDED_BY(mutex);
    RateCounters counters HOLDFAST_GUARDED_BY(mutex);
    std::unordered_map<std::uint64_t, Waiting> waiting HOLDFAST_GUARDED_BY(mutex);
  };
  bool is_free(std::optional<IpAddress> const& client) const;
  Shard& shard_of(IpAddress const& network) const;
  static Waiting& waiting_of(Shard& shard, IpAddress const& network, Instant now)
      HOLDFAST_REQUIRES(shard.mutex);

  RateLimiterOptions const options_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

/// 429 with Retry-After (jittered), RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers).
HttpResponse rate_limited_response(RateKind kind, RateBudget const& budget,
                                   RateVerdict const& verdict);
/// Adds the RateLimit fields to an answer that was let through.
void add_rate_limit_fields(HttpResponse& response, RateKind kind, RateBudget const& budget,
                           RateVerdict const& verdict);

/// Puts every handler of `router` within its budget: renewals, nonces and polls for assignments in that of renewals; other
/// reads and writes in theirs. `limiter` must outlive the router.
void limit_routes(Router& router, RateLimiter& limiter, std::function<Instant()> clock);

/// A handler that is asked only within the budget. `limiter` must outlive it. Calls after a wait are not charged again.
HttpHandler limited(RateLimiter& limiter, RateKind kind, std::function<Instant()> clock,
                    HttpHandler handler);

}  // namespace holdfast::discovery
