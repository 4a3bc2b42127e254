#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "discovery/probe/probe_target.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Replicators by what they are to look-ups; for the metric.
struct LeaseCounts {
  std::uint64_t listed = 0;
  std::uint64_t pending = 0;
  std::uint64_t failed = 0;  ///< Its first test.
  std::uint64_t out = 0;     ///< Failed three later ones.
  std::uint64_t draining = 0;
  std::uint64_t expired = 0;
};

/// Who is to be tested when, and what a result means. Pure: time, randomness and results come in.
///
/// Rules:
///  1. A target belongs to the instance that rendezvous hashing over the live instances names; the others leave it.
///  2. A record that is pending is left to who admitted it, and tested here if it still is after kAdmissionGrace.
///  3. When most tests of nodes that passed before fail (and there were enough), the prober itself is taken to be cut
///     off: such failures do not count. Why: a prober with a broken network must not empty the service.
///  4. A result counts only for the record it was made of.
///  5. Healthy nodes are tested again less often the more there are: 16 a second, by all instances together. Why: a test
///     costs as much as several renewals, and who renews is alive.
///
/// Memory: about 400 bytes for each replicator of the store, which bounds them. Thread-safety: none.
class RecheckPlan {
 public:
  RecheckPlan(Duration lease, std::string own_instance);

  void know(ReplicatorEntry const& entry, bool may_name_others, Instant now, Rng& rng);
  void renewed(PublicKey const& id, registration::ReplicatorState state, Duration lease_left,
               Instant now);
  void forget(PublicKey const& id);
  /// `expected`: how many are about to be made known.
  void clear(std::size_t expected);
  void set_instances(std::vector<std::string> names) { instances_ = std::move(names); }

  struct Target {
    ProbeTarget probe;
    Hash record;  ///< Which record is tested; give it back to judge().
  };
  /// What to test now, at most `limit`. Each is tried again after a while even if judge() is never called.
  std::vector<Target> due(Instant now, std::size_t limit, Rng& rng);
  std::optional<Instant> next_due() const;
  /// The same for one that is tested out of turn; nothing if it is not known.
  std::optional<Target> target(PublicKey const& id, Instant now);

  /// Returns: the health to keep, or nothing if the result does not count.
  std::optional<Health> judge(PublicKey const& id, Hash const& record, ProbeReport const& report,
                              std::uint64_t now_unix_ms, Instant now, Rng& rng);
  std::optional<Health> health_of(PublicKey const& id) const;

  /// Rule 3.
  bool is_cut_off(Instant now) const;
  /// Whether so many leases are about to end, while no renewals come in or rule 3 holds, that expiry should pause:
  /// over 15 % of at least 20. Those concerned are made due soon, so that the pause is for those who pass. While it is
  /// on, who passes is tested again and again, however long its lease is over; to be asked a few times per lease.
  bool wants_guard(Instant now, Rng& rng);
  LeaseCounts counts(Instant now) const;
  std::size_t size() const { return nodes_.size(); }

  static constexpr Duration kAdmissionGrace{10'000};

 private:
  struct Node {
    ProbeTarget probe;
    Hash record;
    Health health;
    registration::ReplicatorState state = registration::ReplicatorState::Active;
    Instant lease_until{};
    std::optional<Instant> due{};
    std::optional<Instant> passed_at{};  ///< Its last test here.
  };
  /// One round of tests over all healthy nodes takes at least so long.
  Duration round() const;
  void set_due(PublicKey const& id, Node& node, std::optional<Instant> due);
  bool is_mine(PublicKey const& id) const;
  bool is_live(Node const& node, Instant now) const;
  bool is_kept(Node const& node, Instant now) const;

  Duration const lease_;
  std::string const own_;
  std::vector<std::string> instances_;
  std::size_t expected_ = 0;
  std::unordered_map<PublicKey, Node> nodes_;
  std::set<std::pair<Instant, PublicKey>> schedule_;
  std::deque<std::pair<Instant, bool>>
      recent_;  ///< Tests of nodes that passed before: when, passed.
  Instant last_renewal_{};
  bool guard_on_ = false;  ///< What wants_guard() last said.
};

}  // namespace holdfast::discovery
