#pragma once

#include <cstddef>
#include <map>

#include "base/ip_network.h"
#include "base/time.h"

namespace holdfast::discovery {

struct TargetLimits {
  unsigned burst = 8;      ///< Dials at once to one address (IPv6: to one /64).
  Duration every{10'000};  ///< Then one for each of these.
  std::size_t targets_max = 20'000;
};

/// How often one address may be dialled, whoever asked: so that the prober cannot be made to scan or flood it (GCRA).
/// Memory: one entry for each address dialled of late, at most targets_max; when it is full of those nothing more is
/// dialled. Pure; thread-safety: none.
class TargetLimiter {
 public:
  explicit TargetLimiter(TargetLimits const& limits = {}) : limits_(limits) {}
  /// Takes one dial from the budget of `target`. Returns: false if it has none left.
  bool take(IpAddress const& target, Instant now);
  std::size_t size() const { return busy_until_.size(); }

 private:
  void forget_idle(Instant now);

  TargetLimits limits_;
  std::map<IpAddress, Instant> busy_until_;  ///< Theoretical arrival time of the next dial.
};

}  // namespace holdfast::discovery
