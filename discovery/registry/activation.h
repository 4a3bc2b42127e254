#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "discovery/registry/region.h"

namespace holdfast::discovery {

struct ActivationOptions {
  /// How long a replicator may take to list the key before the next candidate is tried.
  Duration confirm_within{3'000};
  Duration give_up_after{60'000};      ///< From begin().
  Duration rest_after_failure{2'000};  ///< So long a key is not tried again.
  Duration store_retry{250};
  std::size_t running_max = 10'000;  ///< Keys at once; beyond, begin() refuses.
};

struct ActivationCounters {
  std::uint64_t begun = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t passed_on = 0;  ///< A replicator did not confirm in time; another one was asked.
  std::uint64_t failed = 0;     ///< Nobody was left to ask, or it took too long.
};

/// Which keys that nobody hosts are being brought to a replicator, as one instance sees it.
///
/// ```
///   begin ──> choosing ──claim──> confirming ──hosted──> (forgotten)
///                ^  └─nobody left─> resting ──> (forgotten)
///                └────not confirmed in time──┘
/// ```
/// Rules:
///  1. One activation per key, however many clients ask. Instances agree through the store's
///     claim, which one of them wins; the others wait for the winner's candidate.
///  2. Every instance that waits may replace a candidate that does not confirm, with the claim
///     naming whom it replaces. Why: the instance that claimed may be gone by then.
///  3. A candidate is asked once per activation.
/// [Pure] Memory: running_max entries.
class ActivationTable {
 public:
  enum class Begun : std::uint8_t {
    Started,
    Joined,   ///< It is under way.
    Resting,  ///< It failed a moment ago.
    Refused,  ///< Too many are under way.
  };
  /// What has to be done for a key: choose somebody who was not tried, and claim the key for it.
  struct Step {
    DiscoveryKey key;
    RegionWish region;  ///< The first client's.
    std::set<PublicKey> tried;
    std::optional<PublicKey> instead_of;  ///< Who holds the claim, as far as is known.
  };

  explicit ActivationTable(ActivationOptions const& options) : options_(options) {}

  Begun begin(DiscoveryKey const& key, RegionWish region, Instant now);
  /// Returns: the next key to work on; each is given once until an on_…() call about it.
  std::optional<Step> next_step(Instant now);
  /// The store said who is to take on the key: the one we chose, or another instance's choice.
  void on_claimed(DiscoveryKey const& key, PublicKey const& holder, Instant now);
  void on_nobody_left(DiscoveryKey const& key, Instant now);
  void on_store_failed(DiscoveryKey const& key, Instant now);
  /// The key's hosting set has a line.
  void on_hosted(DiscoveryKey const& key);

  std::optional<Instant> next_deadline() const;
  bool is_running(DiscoveryKey const& key) const { return running_.contains(key); }
  std::size_t running() const { return running_.size(); }
  ActivationCounters const& counters() const { return counters_; }

 private:
  enum class State : std::uint8_t { Choosing, Claiming, Confirming, Resting };
  struct Entry {
    State state = State::Choosing;
    RegionWish region;
    Instant give_up_at;
    Instant due;  ///< As in due_; not while Claiming.
    std::set<PublicKey> tried;
    std::optional<PublicKey> holder;
  };
  void schedule(DiscoveryKey const& key, Entry& entry, State state, Instant due);
  void rest(DiscoveryKey const& key, Entry& entry, Instant now);

  ActivationOptions const options_;
  ActivationCounters counters_;
  std::unordered_map<DiscoveryKey, Entry> running_;
  std::set<std::pair<Instant, DiscoveryKey>> due_;
};

}  // namespace holdfast::discovery
