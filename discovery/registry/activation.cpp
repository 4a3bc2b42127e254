#include "discovery/registry/activation.h"

#include "base/check.h"

namespace holdfast::discovery {

void ActivationTable::schedule(DiscoveryKey const& key, Entry& entry, State state, Instant due) {
  due_.erase({entry.due, key});
  entry.state = state;
  entry.due = due;
  due_.insert({due, key});
}

void ActivationTable::rest(DiscoveryKey const& key, Entry& entry, Instant now) {
  ++counters_.failed;
  schedule(key, entry, State::Resting, now + options_.rest_after_failure);
}

ActivationTable::Begun ActivationTable::begin(DiscoveryKey const& key, RegionWish region,
                                              Instant now) {
  auto const known = running_.find(key);
  if (known != running_.end()) {
    return known->second.state == State::Resting ? Begun::Resting : Begun::Joined;
  }
  if (running_.size() >= options_.running_max) return Begun::Refused;
  Entry& entry = running_[key];
  entry.region = std::move(region);
  entry.give_up_at = now + options_.give_up_after;
  schedule(key, entry, State::Choosing, now);
  ++counters_.begun;
  return Begun::Started;
}

std::optional<ActivationTable::Step> ActivationTable::next_step(Instant now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    DiscoveryKey const key = due_.begin()->second;
    Entry& entry = running_.at(key);
    if (entry.state == State::Resting) {
      due_.erase(due_.begin());
      running_.erase(key);
      continue;
    }
    if (now >= entry.give_up_at) {
      rest(key, entry, now);
      continue;
    }
    if (entry.state == State::Confirming) {
      HOLDFAST_CHECK(entry.holder.has_value());
      entry.tried.insert(*entry.holder);
      ++counters_.passed_on;
    }
    due_.erase(due_.begin());
    entry.state = State::Claiming;
    return Step{key, entry.region, entry.tried, entry.holder};
  }
  return std::nullopt;
}

void ActivationTable::on_claimed(DiscoveryKey const& key, PublicKey const& holder, Instant now) {
  auto const found = running_.find(key);
  if (found == running_.end() || found->second.state != State::Claiming) return;
  found->second.holder = holder;
  schedule(key, found->second, State::Confirming, now + options_.confirm_within);
}

void ActivationTable::on_nobody_left(DiscoveryKey const& key, Instant now) {
  auto const found = running_.find(key);
  if (found != running_.end()) rest(key, found->second, now);
}

void ActivationTable::on_store_failed(DiscoveryKey const& key, Instant now) {
  auto const found = running_.find(key);
  if (found == running_.end()) return;
  schedule(key, found->second, State::Choosing, now + options_.store_retry);
}

void ActivationTable::on_hosted(DiscoveryKey const& key) {
  auto const found = running_.find(key);
  if (found == running_.end()) return;
  if (found->second.state != State::Resting) ++counters_.confirmed;
  due_.erase({found->second.due, key});
  running_.erase(found);
}

std::optional<Instant> ActivationTable::next_deadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

}  // namespace holdfast::discovery
