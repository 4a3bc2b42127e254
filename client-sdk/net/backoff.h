#pragma once

#include <algorithm>

#include "base/random.h"
#include "base/time.h"

namespace holdfast::net {

struct BackoffOptions {
  Duration base{500};
  Duration cap{60'000};
  /// A connection that lived this long ends the row of failures.
  Duration settled_after{10'000};
  /// No server can make us wait longer than this.
  Duration retry_after_max{3'600'000};
};

/// How long to wait before attempt `failures` + 1: random(0, min(cap, base * 2^failures)).
/// Why full jitter: clients that lost the same server must not come back at the same moment.
inline Duration full_jitter(BackoffOptions const& options, unsigned failures, Rng& rng) {
  Duration ceiling = options.base;
  for (unsigned i = 0; i < failures && ceiling < options.cap; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, options.cap);
  return Duration(static_cast<Duration::rep>(
      rng.below(static_cast<std::uint64_t>(std::max<Duration::rep>(ceiling.count(), 0)) + 1)));
}

/// Counts a row of failures and says how long to wait after each.
///
/// Rules:
///  1. A connection that could not be made counts like one that was refused.
///     Why: it is how most outages look.
///  2. Success alone does not end the row; a connection that lasted does.
///     Why: a server that accepts and hangs up would be asked at full speed.
///  3. Retry-After is a floor, with the jitter on top.
/// Thread-safety: none.
class Backoff {
 public:
  explicit Backoff(BackoffOptions const& options) : options_(options) {}

  /// After a failure. `retry_after`: what the server asked for; zero if nothing.
  Duration next(Rng& rng, Duration retry_after = Duration(0)) {
    Duration const jitter = full_jitter(options_, failures_, rng);
    if (failures_ < kFailuresMax) ++failures_;
    return std::clamp(retry_after, Duration(0), options_.retry_after_max) + jitter;
  }
  /// After a connection that had been usable for `lived` ended.
  void connection_ended(Duration lived) {
    if (lived >= options_.settled_after) failures_ = 0;
  }
  void reset() { failures_ = 0; }
  unsigned failures() const { return failures_; }

 private:
  static constexpr unsigned kFailuresMax = 62;
  BackoffOptions options_;
  unsigned failures_ = 0;
};

}  // namespace holdfast::net
