#pragma once

#include <utility>
#include <vector>

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Tells several watchers of a store, in the order given. They must outlive it.
class WatcherFan final : public StoreWatcher {
 public:
  explicit WatcherFan(std::vector<StoreWatcher*> watchers) : watchers_(std::move(watchers)) {}

  void on_lost() override {
    for (StoreWatcher* const each : watchers_) each->on_lost();
  }
  void on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                bool recovering) override {
    for (StoreWatcher* const each : watchers_) each->on_table(all, now_unix_ms, recovering);
  }
  void on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) override {
    for (StoreWatcher* const each : watchers_) each->on_replicator(entry, now_unix_ms);
  }
  void on_renewed(PublicKey const& id, registration::ReplicatorState state,
                  registration::LoadFigures const& load, Duration lease_left,
                  std::uint64_t now_unix_ms) override {
    for (StoreWatcher* const each : watchers_)
      each->on_renewed(id, state, load, lease_left, now_unix_ms);
  }
  void on_gone(PublicKey const& id) override {
    for (StoreWatcher* const each : watchers_) each->on_gone(id);
  }
  void on_hosting(DiscoveryKey const& key) override {
    for (StoreWatcher* const each : watchers_) each->on_hosting(key);
  }
  void on_assignment(PublicKey const& id) override {
    for (StoreWatcher* const each : watchers_) each->on_assignment(id);
  }
  void on_shared(SharedKind kind) override {
    for (StoreWatcher* const each : watchers_) each->on_shared(kind);
  }

 private:
  std::vector<StoreWatcher*> const watchers_;
};

}  // namespace holdfast::discovery
