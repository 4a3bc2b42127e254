#include "discovery/probe/recheck_plan.h"

#include <algorithm>

#include "discovery/probe/health_rules.h"
#include "registration/record.h"

namespace holdfast::discovery {

namespace {

constexpr std::size_t kRecentMax = 200;
constexpr std::size_t kRecentMin = 10;  // Fewer say nothing about our network.
constexpr std::size_t kGuardLeasesMin = 20;
constexpr std::size_t kGuardPercent = 15;
constexpr std::size_t kRoundPerSecond = 16;  // Healthy nodes, by all instances together.

Instant at_random(Instant now, Duration within, Rng& rng) {
  auto const span = static_cast<std::uint64_t>(std::max<Duration::rep>(within.count(), 1));
  return now + Duration(static_cast<Duration::rep>(rng.below(span)));
}

/// Returns: nothing if the record cannot be opened.
std::optional<ProbeTarget> target_of(ReplicatorEntry const& entry, bool may_name_others) {
  Result<registration::SignedRecord> const opened = registration::open_record(entry.signed_record);
  if (!opened) return std::nullopt;
  return ProbeTarget{.id = entry.id,
                     .addresses = opened->record.addresses,
                     .observed_host = entry.observed_host,
                     .may_name_others = may_name_others};
}

}  // namespace

RecheckPlan::RecheckPlan(Duration lease, std::string own_instance)
    : lease_(lease), own_(std::move(own_instance)), instances_{own_} {}

Duration RecheckPlan::round() const {
  std::size_t const nodes = std::max(nodes_.size(), expected_);
  return Duration(static_cast<Duration::rep>(nodes * 1'000 / kRoundPerSecond));
}

void RecheckPlan::set_due(PublicKey const& id, Node& node, std::optional<Instant> due) {
  if (node.due) schedule_.erase({*node.due, id});
  node.due = due;
  if (due) schedule_.insert({*due, id});
}

void RecheckPlan::know(ReplicatorEntry const& entry, bool may_name_others, Instant now, Rng& rng) {
  Hash const record = blake2b({entry.signed_record, as_bytes(entry.observed_host)});
  auto const known = nodes_.find(entry.id);
  bool const is_first = known == nodes_.end();
  bool const is_same = !is_first && known->second.record == record;
  std::optional<ProbeTarget> const probe =
      is_same ? known->second.probe : target_of(entry, may_name_others);
  if (!probe) return;
  Node& node = nodes_[entry.id];
  bool const is_new = !node.due && !is_same;
  bool const changed = !is_same || node.health.self_test != entry.health.self_test ||
                       node.health.is_out != entry.health.is_out;
  node.probe = *probe;
  node.probe.may_name_others = may_name_others;
  node.record = record;
  node.health = entry.health;
  node.state = entry.state;
  // Of a lease that is over the entry does not tell since when.
  if (is_first || entry.lease_left > Duration(0) || node.lease_until > now)
    node.lease_until = now + entry.lease_left;
  if (!changed) return;
  switch (entry.health.self_test) {
    case SelfTest::Pending:
      return set_due(entry.id, node, now + kAdmissionGrace);
    case SelfTest::Failed:
      return set_due(entry.id, node, now + recheck_delay(node.health, lease_, round(), rng));
    case SelfTest::Passed:
      // Listed by a receipt and never tested: soon. A table that was read at start: spread out.
      if (entry.health.last_pass_unix_ms == 0) {
        return set_due(entry.id, node, at_random(now, std::max(lease_, round()) / 4, rng));
      }
      return set_due(entry.id, node,
                     is_new ? at_random(now, std::max(lease_, round()), rng)
                            : now + recheck_delay(node.health, lease_, round(), rng));
  }
}

void RecheckPlan::renewed(PublicKey const& id, registration::ReplicatorState state,
                          Duration lease_left, Instant now) {
  auto const found = nodes_.find(id);
  if (found == nodes_.end()) return;
  found->second.state = state;
  found->second.lease_until = now + lease_left;
  last_renewal_ = now;
}

void RecheckPlan::forget(PublicKey const& id) {
  auto const found = nodes_.find(id);
  if (found == nodes_.end()) return;
  set_due(id, found->second, std::nullopt);
  nodes_.erase(found);
}

void RecheckPlan::clear(std::size_t expected) {
  expected_ = expected;
  nodes_.clear();
  schedule_.clear();
}

bool RecheckPlan::is_mine(PublicKey const& id) const {
  std::string const* best = nullptr;
  Hash best_score;
  for (std::string const& name : instances_) {
    Hash const score = blake2b({as_bytes(name), id.view()});
    if (best == nullptr || score > best_score) {
      best = &name;
      best_score = score;
    }
  }
  return best == nullptr || *best == own_;
}

bool RecheckPlan::is_live(Node const& node, Instant now) const { return node.lease_until > now; }

/// Whether the guard alone keeps it: its lease is over, and it passed a test less than one lease ago.
bool RecheckPlan::is_kept(Node const& node, Instant now) const {
  return guard_on_ && node.passed_at && *node.passed_at + lease_ > now;
}

std::vector<RecheckPlan::Target> RecheckPlan::due(Instant now, std::size_t limit, Rng& rng) {
  std::vector<Target> out;
  while (out.size() < limit && !schedule_.empty() && schedule_.begin()->first <= now) {
    PublicKey const id = schedule_.begin()->second;
    Node& node = nodes_.at(id);
    set_due(id, node, now + recheck_delay(node.health, lease_, round(), rng));
    // Nobody is sent to one whose lease is long over; a renewal makes it count again. What never passed must renew.
    Duration const mercy = node.health.self_test == SelfTest::Failed ? Duration(0) : lease_;
    bool const worth_it = node.lease_until + mercy > now || is_kept(node, now);
    if (worth_it && is_mine(id)) out.push_back({node.probe, node.record});
  }
  return out;
}

std::optional<Instant> RecheckPlan::next_due() const {
  if (schedule_.empty()) return std::nullopt;
  return schedule_.begin()->first;
}

std::optional<RecheckPlan::Target> RecheckPlan::target(PublicKey const& id, Instant now) {
  auto const found = nodes_.find(id);
  if (found == nodes_.end()) return std::nullopt;
  set_due(id, found->second, now + kAdmissionGrace);
  return Target{found->second.probe, found->second.record};
}

std::optional<Health> RecheckPlan::health_of(PublicKey const& id) const {
  auto const found = nodes_.find(id);
  if (found == nodes_.end()) return std::nullopt;
  return found->second.health;
}

// NOLINTNEXTLINE(readability-function-size): two clocks and the randomness, as pure folders take them.
std::optional<Health> RecheckPlan::judge(PublicKey const& id, Hash const& record,
                                         ProbeReport const& report, std::uint64_t now_unix_ms,
                                         Instant now, Rng& rng) {
  auto const found = nodes_.find(id);
  if (found == nodes_.end() || found->second.record != record) return std::nullopt;
  Node& node = found->second;
  if (!report.says_something()) return std::nullopt;
  bool const established = node.health.self_test == SelfTest::Passed && !node.health.is_out;
  if (established) {
    recent_.emplace_back(now, report.passed());
    if (recent_.size() > kRecentMax) recent_.pop_front();
  }
  bool const forgiven =
      established && !report.passed() && report.step != ProbeStep::Refused && is_cut_off(now);
  if (!forgiven) node.health = after_test(node.health, report, now_unix_ms);
  if (report.passed()) node.passed_at = now;
  set_due(id, node, now + recheck_delay(node.health, lease_, round(), rng));
  if (forgiven) return std::nullopt;
  return node.health;
}

bool RecheckPlan::is_cut_off(Instant now) const {
  std::size_t tests = 0;
  std::size_t failed = 0;
  for (auto const& [when, passed] : recent_) {
    if (when + lease_ < now) continue;
    ++tests;
    failed += passed ? 0 : 1;
  }
  return tests >= kRecentMin && failed * 2 > tests;
}

bool RecheckPlan::wants_guard(Instant now, Rng& rng) {
  std::size_t counted = 0;
  std::vector<PublicKey> late;
  for (auto const& [id, node] : nodes_) {
    bool const is_long_over = node.lease_until + lease_ <= now && !is_kept(node, now);
    if (node.health.self_test != SelfTest::Passed || is_long_over) continue;
    ++counted;
    if (node.lease_until <= now + lease_ / 3) late.push_back(id);
  }
  // Who drops out while it is on must not end it for the others.
  std::size_t const least = guard_on_ ? 1 : kGuardLeasesMin;
  bool const many = counted >= least && late.size() * 100 > counted * kGuardPercent;
  bool const silent = last_renewal_ + lease_ / 3 <= now;
  guard_on_ = many && (silent || is_cut_off(now));
  if (!guard_on_) return false;
  for (PublicKey const& id : late) {
    Node& node = nodes_.at(id);
    // In time for who is late for the first time, and every half lease from then on.
    bool const is_fresh = node.passed_at && *node.passed_at + lease_ / 3 > now;
    if (!is_fresh && (!node.due || *node.due > now + lease_ / 6))
      set_due(id, node, at_random(now, lease_ / 6, rng));
  }
  return true;
}

LeaseCounts RecheckPlan::counts(Instant now) const {
  LeaseCounts out;
  for (auto const& [id, node] : nodes_) {
    if (!is_live(node, now)) {
      ++out.expired;
    } else if (node.health.self_test == SelfTest::Pending) {
      ++out.pending;
    } else if (node.health.self_test == SelfTest::Failed) {
      ++out.failed;
    } else if (node.state == registration::ReplicatorState::Draining) {
      ++out.draining;
    } else if (node.health.is_out) {
      ++out.out;
    } else {
      ++out.listed;
    }
  }
  return out;
}

}  // namespace holdfast::discovery
