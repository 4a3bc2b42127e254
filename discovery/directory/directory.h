#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/time.h"
#include "discovery/directory/answer_writer.h"
#include "discovery/directory/hosting_map.h"
#include "discovery/directory/huge_pages.h"
#include "discovery/directory/miss_table.h"
#include "discovery/directory/replicator_table.h"
#include "discovery/directory/store_clock.h"
#include "discovery/registry/lookup.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

struct DirectoryOptions {
  Duration lease{60'000};  ///< As the store grants it.
  std::size_t hosting_bytes_max = std::size_t{384}
                                  << 20;      ///< About 300 bytes for a key with two hosts.
  std::size_t misses = std::size_t{1} << 17;  ///< Keys remembered as not hosted; a power of two.
  std::size_t fetches_max = 4'096;            ///< At once; beyond, look-ups are refused.
  Duration miss_life{30'000};
  Duration recovering_life{1'000};
  Duration away_life{500};     ///< After a failed fetch.
  Duration fetch_life{2'000};  ///< A fetch that takes longer is given to somebody else, too.
};

/// Names one fetch of a hosting set, so that what changed meanwhile is not overwritten.
struct FetchToken {
  DiscoveryKey key;
  std::uint64_t number = 0;
};

enum class DirectoryStatus : std::uint8_t {
  Found,
  UnknownKey,
  NobodyCanServe,  ///< Known, and nobody can serve it now (or not over this transport).
  BeingTakenOn,    ///< Nobody hosts it, and somebody is being asked to. Not the directory's to say.
  Recovering,
  ProjectKeySent,
  Away,        ///< The store does not answer and nothing is known.
  Fetch,       ///< Not known here: the caller fetches it and calls fill() or fail().
  Wait,        ///< Somebody else is fetching it, or (look_up_here) somebody would have to.
  Overloaded,  ///< Too many fetches are under way.
};

struct DirectoryAnswer {
  DirectoryStatus status = DirectoryStatus::Away;
  std::uint64_t hash = 0;          ///< Found: of the answer, but for what counts down.
  std::uint64_t least_left_s = 0;  ///< Found: the smallest expires_in.
  std::uint64_t first_left_s = 0;
  std::uint32_t asked = 0;  ///< UnknownKey: how often lately.
  FetchToken token{};       ///< Fetch.
  /// The store is away, and this is what was known when it went: for how long it has been.
  std::optional<Duration> degraded_for;
};

struct DirectoryCounters {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;  ///< Look-ups that had to wait for a fetch.
  std::uint64_t refused = 0;
  std::size_t keys = 0;
  std::size_t bytes = 0;
};

/// Who hosts what, in memory: the replicator table whole, and the hosting sets that were asked for lately. A look-up that
/// hits costs no round trip and about a microsecond.
///
/// Rules:
///  1. Time comes as an argument, by a steady clock; leases are judged by the store's time (StoreClock), at every look-up.
///     Why: the wall clock of an instance may be wrong.
///  2. A hosting set is kept until the store says that it changed, or that messages were missed. What changes while it is
///     being fetched is fetched again (the token of that fetch is void).
///  3. At most one fetch per key is under way; who else asks waits for it.
///  4. While the store is away, answers are what was known last, marked, their leases running down. Nothing new is
///     concluded from them: "unknown" is not answered from memory then.
///  5. Keys that nobody hosts are not kept, only a hash of them under a secret of this process.
/// Thread-safe: 16 shards by key; a look-up locks one of them for less than a microsecond. `clock` is asked only for the
/// moment at which the store tells something.
class Directory final : public StoreWatcher {
 public:
  Directory(DirectoryOptions const& options, std::function<Instant()> clock);
  ~Directory() override;

  /// Found: appends the answer's JSON to `body`. Otherwise leaves it alone.
  DirectoryAnswer look_up(LookupQuery const& query, Instant now, std::string& body);
  /// As look_up(), but begins no fetch and counts no asking: Found and NobodyCanServe are answers, Wait is anything that
  /// look_up() should be asked for.
  DirectoryAnswer look_up_here(LookupQuery const& query, Instant now, std::string& body);
  /// What a fetch brought. `is_project_key`: the set is empty, and that of the key's hash is not.
  void fill(FetchToken const& token, HostingSet const& set, bool is_project_key, Instant now);
  /// The store did not answer.
  void fail(FetchToken const& token, Instant now);
  /// The fetch was not begun.
  void abandon(FetchToken const& token);
  /// Whether the key has a line that counts, if that is known here.
  std::optional<bool> is_hosted(DiscoveryKey const& key, Instant now);
  /// Why each host of the key is or is not in an answer; empty if the key is not known here.
  std::vector<TraceLine> trace(LookupQuery const& query, Instant now);

  /// Replicators a key can be given to, with what stands against the others (`standing`); in order of id. Never null, not
  /// older than 200 ms. Now: kept until something changes. Recent: may miss changes of the last 50 ms, and is cheap to
  /// ask for whatever changes; who finds nobody in it asks for Now.
  std::shared_ptr<std::vector<Candidate> const> candidates(Instant now, Freshness freshness);
  std::size_t replicator_count() const { return table_.size(); }

  /// While it is on, a replicator whose lease ran out counts as long as it passed a probe within one lease.
  void set_guard(bool on) { is_guarded_.store(on, std::memory_order_relaxed); }
  /// Every second or so: load, panic, memory of what is gone.
  ReplicatorCounts tick(Instant now);
  std::uint64_t store_unix_ms(Instant now) const {
    return static_cast<std::uint64_t>(clock_of_store_.unix_ms(now));
  }
  bool is_away() const { return lost_since_ms_.load(std::memory_order_relaxed) != 0; }
  DirectoryCounters counters() const;

  void on_lost() override;
  void on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                bool recovering) override;
  void on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) override;
  void on_renewed(PublicKey const& id, registration::ReplicatorState state,
                  registration::LoadFigures const& load, Duration lease_left,
                  std::uint64_t now_unix_ms) override;
  void on_gone(PublicKey const& id) override;
  void on_hosting(DiscoveryKey const& key) override;
  void on_assignment(PublicKey const& /*id*/) override {}
  void on_shared(SharedKind /*kind*/) override {}

 private:
  /// Few, so that the slots of a large one are a huge page.
  static constexpr std::size_t kShards = 16;
  struct Fetching {
    std::uint64_t number = 0;
    Instant begun;
    bool is_void = false;  ///< The set changed meanwhile.
  };
  struct alignas(64) Shard {
    Shard(std::size_t bytes, std::size_t misses_count, std::uint64_t seed,
          std::pmr::memory_resource& memory)
        : sets(bytes, seed, memory), misses(misses_count) {}
    Mutex mutex;
    HostingMap sets HOLDFAST_GUARDED_BY(mutex);
    MissTable misses HOLDFAST_GUARDED_BY(mutex);
    std::unordered_map<DiscoveryKey, Fetching> fetching HOLDFAST_GUARDED_BY(mutex);
    AnswerWriter writer HOLDFAST_GUARDED_BY(mutex);
    std::uint64_t next_number HOLDFAST_GUARDED_BY(mutex) = 1;
    DirectoryCounters counters HOLDFAST_GUARDED_BY(mutex);
  };
  Shard& shard_of(DiscoveryKey const& key) const;
  MissTable::Name name_of(DiscoveryKey const& key) const;
  Judgement judge(Instant now) const;
  DirectoryAnswer answer_hit(Shard& shard, HostingView const& set, LookupQuery const& query,
                             Instant now, std::string& body) HOLDFAST_REQUIRES(shard.mutex);
  DirectoryAnswer answer_miss(Shard& shard, DiscoveryKey const& key, Instant now)
      HOLDFAST_REQUIRES(shard.mutex);
  DirectoryAnswer begin_fetch(Shard& shard, DiscoveryKey const& key, Instant now)
      HOLDFAST_REQUIRES(shard.mutex);
  std::vector<RowLine> to_rows(std::vector<Hosting> const& lines);
  void forget_sets();
  void free_retired();

  DirectoryOptions const options_;
  std::function<Instant()> const clock_;
  std::array<std::uint64_t, 2> secret_{};  ///< Of name_of().
  StoreClock clock_of_store_;
  HugePages pages_;
  std::pmr::synchronized_pool_resource blocks_;  ///< Hosting sets of all shards, and texts.
  ReplicatorTable table_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<bool> is_loaded_{false};
  std::atomic<bool> is_guarded_{false};
  std::atomic<std::int64_t> lost_since_ms_{0};  ///< By the steady clock; 0: the store is there.
  std::atomic<std::int64_t> recovering_until_ms_{0};
  std::atomic<std::int64_t> surveyed_ms_{0};
  std::atomic<std::uint64_t> epoch_{
      0};  ///< Another one each time row numbers change their meaning.
};

}  // namespace holdfast::discovery
