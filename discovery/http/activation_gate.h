#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "crypto/hash.h"
#include "discovery/http/activation_service.h"
#include "discovery/http/assignment_routes.h"
#include "discovery/http/lookup_routes.h"
#include "discovery/http/rate_limiter.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Who may bring keys that nobody hosts (--new-keys).
enum class NewKeys : std::uint8_t { None, Token, Open };

/// Lets clients start activations, within --new-keys and a budget for each client network, and wakes who waits for what an
/// activation changes.
///
/// Rules:
///  1. With NewKeys::Token a request carries `Authorization: Bearer TOKEN`; any of the operator's tokens will do. Who has
///     none learns only that the key is unknown.
///  2. The budget is charged for a key that is not under way yet, not for those who ask for it as well.
/// Thread-safe. Add it to the watchers behind the Directory.
class ActivationGate final : public Activator, public StoreWatcher {
 public:
  struct Parts {
    ActivationService& service;
    RateLimiter& limiter;
    std::function<void(std::string const& event)> notify;
    std::function<Instant()> clock;
  };
  /// What `parts` names must outlive this.
  ActivationGate(NewKeys policy, Parts parts) : policy_(policy), parts_(std::move(parts)) {}

  void set_tokens(std::vector<std::string> const& tokens);

  Begun begin(DiscoveryKey const& key, RegionWish const& region,
              HttpRequest const& request) override;

  void on_lost() override {}
  void on_table(std::vector<ReplicatorEntry> /*all*/, std::uint64_t /*now*/,
                bool /*recovering*/) override {}
  void on_replicator(ReplicatorEntry const& /*entry*/, std::uint64_t /*now*/) override {}
  void on_renewed(PublicKey const& /*id*/, registration::ReplicatorState /*state*/,
                  registration::LoadFigures const& /*load*/, Duration /*left*/,
                  std::uint64_t /*now*/) override {}
  void on_gone(PublicKey const& /*id*/) override {}
  void on_hosting(DiscoveryKey const& key) override { parts_.service.on_hosting(key); }
  void on_assignment(PublicKey const& id) override { parts_.notify(assignment_event(id)); }
  void on_shared(SharedKind /*kind*/) override {}

 private:
  bool may_bring_keys(HttpRequest const& request) const;

  NewKeys const policy_;
  Parts const parts_;
  mutable Mutex mutex_;
  std::vector<Hash> tokens_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::discovery
