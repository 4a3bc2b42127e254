#include "discovery/probe/target_limiter.h"

#include <algorithm>

namespace holdfast::discovery {

void TargetLimiter::forget_idle(Instant now) {
  std::erase_if(busy_until_, [now](auto const& each) { return each.second <= now; });
}

bool TargetLimiter::take(IpAddress const& target, Instant now) {
  IpAddress const key = target.is_v4() ? target : network_of(target, 64);
  auto found = busy_until_.find(key);
  if (found == busy_until_.end()) {
    if (busy_until_.size() >= limits_.targets_max) forget_idle(now);
    if (busy_until_.size() >= limits_.targets_max) return false;
    found = busy_until_.emplace(key, now).first;
  }
  Instant const from = std::max(found->second, now);
  if (from - now > limits_.every * (limits_.burst - 1)) return false;
  found->second = from + limits_.every;
  return true;
}

}  // namespace holdfast::discovery
