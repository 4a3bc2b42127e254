#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "discovery/directory/directory.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

struct LookupFetcherOptions {
  std::size_t threads = 4;
  std::size_t queue_max = 1'024;  ///< Beyond, fetches are refused.
  std::size_t peers_max = 1'024;  ///< Keys whose client peers are remembered for a moment.
  Duration peers_life{2'000};
  Duration tick{1'000};
};

/// The event that a held look-up of this key waits for. Never shown to anybody.
std::string lookup_event(DiscoveryKey const& key);

/// Asks the store for what look-ups do not find in memory, on threads of its own; keeps the Directory's clockwork going.
///
/// Rules:
///  1. Every fetch that was taken ends with fill() or fail() of its token, and then its event is notified.
///  2. A queue that is full refuses at once. Why: the client is told to come back while it still waits.
///  3. When a hosting set changes, who waits for that key is woken.
/// Thread-safe; on_…() neither block nor call the store. Add it to the watchers behind the Directory.
class LookupFetcher final : public StoreWatcher {
 public:
  using Notify = std::function<void(std::string const& event)>;

  /// `store` and `directory` must outlive this. `notify` and `clock` are called on any thread.
  LookupFetcher(RecordStore& store, Directory& directory, LookupFetcherOptions const& options,
                Notify notify, std::function<Instant()> clock);
  ~LookupFetcher() override { stop(); }

  void start();
  /// Repeatable. What waits in the queue fails.
  void stop();

  /// Returns: false if the queue is full; the token is then still the caller's.
  bool fetch(FetchToken const& token);

  /// Who announced themselves for the key, if that was asked for a moment ago.
  std::optional<std::vector<PeerEndpoint>> peers(DiscoveryKey const& key);
  /// Returns: false if the queue is full.
  bool fetch_peers(DiscoveryKey const& key);

  ReplicatorCounts replicators() const;  ///< As of the last tick.
  std::uint64_t refused() const;

  void on_lost() override {}
  void on_table(std::vector<ReplicatorEntry> /*all*/, std::uint64_t /*now*/,
                bool /*recovering*/) override;
  void on_replicator(ReplicatorEntry const& /*entry*/, std::uint64_t /*now*/) override {}
  void on_renewed(PublicKey const& /*id*/, registration::ReplicatorState /*state*/,
                  registration::LoadFigures const& /*load*/, Duration /*left*/,
                  std::uint64_t /*now*/) override {}
  void on_gone(PublicKey const& /*id*/) override {}
  void on_hosting(DiscoveryKey const& key) override { notify_(lookup_event(key)); }
  void on_assignment(PublicKey const& /*id*/) override {}
  void on_shared(SharedKind kind) override;

 private:
  struct PeerJob {
    DiscoveryKey key;
  };
  using Job = std::variant<FetchToken, PeerJob>;
  struct KeptPeers {
    std::vector<PeerEndpoint> peers;
    Instant at;
  };
  bool push(Job const& job);
  void run();
  void run_ticks();
  void work(FetchToken const& token);
  void work(PeerJob const& job);
  bool read_guard();  ///< Returns: whether to read it again at the next tick.

  RecordStore& store_;
  Directory& directory_;
  LookupFetcherOptions const options_;
  Notify const notify_;
  std::function<Instant()> const clock_;

  mutable Mutex mutex_;
  CondVar work_;
  CondVar tick_;
  std::deque<Job> queue_ HOLDFAST_GUARDED_BY(mutex_);
  std::map<DiscoveryKey, KeptPeers> peers_ HOLDFAST_GUARDED_BY(mutex_);
  ReplicatorCounts replicators_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint64_t refused_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  bool is_guard_old_ HOLDFAST_GUARDED_BY(mutex_) = true;
  bool stopping_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::discovery
