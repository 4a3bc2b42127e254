#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "discovery/registry/activation.h"
#include "discovery/registry/placement.h"
#include "discovery/registry/record_store.h"
#include "discovery/registry/region.h"

namespace holdfast::discovery {

/// Carries out what ActivationTable decides: one thread that claims keys, assigns them and sees whether they are hosted.
///
/// A replicator hears of an assignment through its long-poll (AssignmentRoutes) and confirms by listing the key, which
/// changes the hosting set, which wakes the clients that wait.
/// Thread-safety: all methods, any thread; none but stop() waits for the store.
class ActivationService {
 public:
  /// Everybody who could take on a key, with what speaks against each. Never null.
  using Candidates = std::function<std::shared_ptr<std::vector<Candidate> const>(Freshness)>;

  /// `store` outlives this. `candidates` is called on the service's thread, each time a key is handed on:
  /// for Recent, and for Now if nobody there can take it.
  ActivationService(RecordStore& store, Candidates candidates, ActivationOptions const& options);
  ~ActivationService() { stop(); }
  ActivationService(ActivationService const&) = delete;
  ActivationService& operator=(ActivationService const&) = delete;

  void start();
  /// Repeatable.
  void stop();

  ActivationTable::Begun begin(DiscoveryKey const& key, RegionWish region);
  bool is_running(DiscoveryKey const& key) const;
  /// The hosting set of a key changed.
  void on_hosting(DiscoveryKey const& key);
  ActivationCounters counters() const;

 private:
  void run();
  void work(ActivationTable::Step const& step);
  void check_hosted(DiscoveryKey const& key);

  RecordStore& store_;
  Candidates const candidates_;
  Duration const claim_life_;

  mutable Mutex mutex_;
  CondVar changed_;
  ActivationTable table_ HOLDFAST_GUARDED_BY(mutex_);
  std::unordered_set<DiscoveryKey> to_check_ HOLDFAST_GUARDED_BY(mutex_);
  bool stopping_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace holdfast::discovery
