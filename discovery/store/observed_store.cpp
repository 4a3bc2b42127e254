#include "discovery/store/observed_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;

template <typename T>
StoreResult result_of(Result<T> const& answer) {
  if (answer) return StoreResult::Done;
  return answer.error().code == ErrorCode::Unavailable ? StoreResult::Unavailable
                                                       : StoreResult::Refused;
}

/// Of several that were asked for together: the worst that became of one.
StoreResult result_of(std::vector<Result<ReplicatorEntry>> const& answers) {
  StoreResult worst = StoreResult::Done;
  for (Result<ReplicatorEntry> const& answer : answers) worst = std::max(worst, result_of(answer));
  return worst;
}

class ObservedStore final : public RecordStore {
 public:
  ObservedStore(std::unique_ptr<RecordStore> inner, StoreObserver& observer)
      : inner_(std::move(inner)), observer_(observer) {}

  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host,
                                     Health const& health) override {
    return measured(StoreCall::Put,
                    [&] { return inner_->put_registration(record, observed_host, health); });
  }
  std::vector<Result<ReplicatorEntry>> renew_all(std::vector<Renewal> const& renewals) override {
    return measured(StoreCall::Renew, [&] { return inner_->renew_all(renewals); });
  }
  Result<void> set_health(PublicKey const& id, Health const& health) override {
    return measured(StoreCall::SetHealth, [&] { return inner_->set_health(id, health); });
  }
  Result<ProjectsChange> change_projects(PublicKey const& id,
                                         registration::ProjectsRequest const& request,
                                         std::uint64_t keys_max) override {
    return measured(StoreCall::ChangeProjects,
                    [&] { return inner_->change_projects(id, request, keys_max); });
  }
  Result<void> deregister(PublicKey const& id) override {
    return measured(StoreCall::Deregister, [&] { return inner_->deregister(id); });
  }
  Result<HostingSet> hosting_of(DiscoveryKey const& key) override {
    return measured(StoreCall::Hosting, [&] { return inner_->hosting_of(key); });
  }
  Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                            std::size_t limit) override {
    return measured(StoreCall::List, [&] { return inner_->list(after, limit); });
  }
  Result<ReplicatorEntry> find(PublicKey const& id) override {
    return measured(StoreCall::Find, [&] { return inner_->find(id); });
  }
  Result<NonceState> nonce_state(Freshness freshness) override {
    return measured(StoreCall::Nonce, [&] { return inner_->nonce_state(freshness); });
  }
  Result<void> spend_nonce(PublicKey const& id, NonceUse const& nonce) override {
    return measured(StoreCall::Nonce, [&] { return inner_->spend_nonce(id, nonce); });
  }
  Result<std::uint64_t> now_unix_ms() override {
    return measured(StoreCall::Time, [&] { return inner_->now_unix_ms(); });
  }
  Result<Claim> claim(DiscoveryKey const& key, PublicKey const& id,
                      std::optional<PublicKey> const& instead_of, Duration life) override {
    return measured(StoreCall::Claim, [&] { return inner_->claim(key, id, instead_of, life); });
  }
  Result<void> assign(PublicKey const& id, DiscoveryKey const& key, Duration life) override {
    return measured(StoreCall::Assignments, [&] { return inner_->assign(id, key, life); });
  }
  Result<Assignments> assignments_of(PublicKey const& id, std::uint64_t after,
                                     std::size_t limit) override {
    return measured(StoreCall::Assignments,
                    [&] { return inner_->assignments_of(id, after, limit); });
  }
  Result<void> announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                             Duration life) override {
    return measured(StoreCall::Peers, [&] { return inner_->announce_peer(key, peer, life); });
  }
  Result<std::vector<PeerEndpoint>> peers_of(DiscoveryKey const& key) override {
    return measured(StoreCall::Peers, [&] { return inner_->peers_of(key); });
  }
  Result<bool> put_shared(SharedKind kind, std::string_view name, std::string_view value,
                          std::optional<Duration> life, bool only_if_absent) override {
    return measured(StoreCall::Shared,
                    [&] { return inner_->put_shared(kind, name, value, life, only_if_absent); });
  }
  Result<std::optional<std::string>> take_shared(SharedKind kind, std::string_view name) override {
    return measured(StoreCall::Shared, [&] { return inner_->take_shared(kind, name); });
  }
  Result<std::vector<Shared>> list_shared(SharedKind kind) override {
    return measured(StoreCall::Shared, [&] { return inner_->list_shared(kind); });
  }
  void watch(StoreWatcher& watcher) override { inner_->watch(watcher); }
  StoreOptions const& options() const override { return inner_->options(); }

 private:
  template <typename Call>
  auto measured(StoreCall call, Call const& run) -> decltype(run()) {
    auto const began = Clock::now();
    auto answer = run();
    observer_.on_call(call, result_of(answer),
                      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began));
    return answer;
  }

  std::unique_ptr<RecordStore> const inner_;
  StoreObserver& observer_;
};

}  // namespace

std::string_view name_of(StoreCall call) {
  switch (call) {
    case StoreCall::Put:
      return "put";
    case StoreCall::Renew:
      return "renew";
    case StoreCall::SetHealth:
      return "set_health";
    case StoreCall::ChangeProjects:
      return "change_projects";
    case StoreCall::Deregister:
      return "deregister";
    case StoreCall::Hosting:
      return "hosting";
    case StoreCall::List:
      return "list";
    case StoreCall::Find:
      return "find";
    case StoreCall::Nonce:
      return "nonce";
    case StoreCall::Time:
      return "time";
    case StoreCall::Claim:
      return "claim";
    case StoreCall::Assignments:
      return "assignments";
    case StoreCall::Peers:
      return "peers";
    case StoreCall::Shared:
      return "shared";
  }
  HOLDFAST_CHECK(false);
  return {};
}

std::string_view name_of(StoreResult result) {
  switch (result) {
    case StoreResult::Done:
      return "done";
    case StoreResult::Refused:
      return "refused";
    case StoreResult::Unavailable:
      return "unavailable";
  }
  HOLDFAST_CHECK(false);
  return {};
}

std::unique_ptr<RecordStore> observe_store(std::unique_ptr<RecordStore> inner,
                                           StoreObserver& observer) {
  return std::make_unique<ObservedStore>(std::move(inner), observer);
}

}  // namespace holdfast::discovery
