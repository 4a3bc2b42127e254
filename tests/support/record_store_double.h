#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// A store for tests to derive from: passes every call on to `inner`, or refuses it where refusal()
/// says so.
class RecordStoreDouble : public RecordStore {
 public:
  /// `inner`: may be null, then every call that is not overridden is refused.
  explicit RecordStoreDouble(RecordStore* inner) : inner_(inner) {}

  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host,
                                     Health const& health) override {
    return pass([&] { return inner_->put_registration(record, observed_host, health); });
  }
  std::vector<Result<ReplicatorEntry>> renew_all(std::vector<Renewal> const& renewals) override {
    if (std::optional<Unexpected> const refused = refusal(); refused)
      return std::vector<Result<ReplicatorEntry>>(renewals.size(), *refused);
    return inner_->renew_all(renewals);
  }
  Result<void> set_health(PublicKey const& id, Health const& health) override {
    return pass([&] { return inner_->set_health(id, health); });
  }
  Result<ProjectsChange> change_projects(PublicKey const& id,
                                         registration::ProjectsRequest const& request,
                                         std::uint64_t keys_max) override {
    return pass([&] { return inner_->change_projects(id, request, keys_max); });
  }
  using RecordStore::change_projects;
  Result<void> deregister(PublicKey const& id) override {
    return pass([&] { return inner_->deregister(id); });
  }
  Result<HostingSet> hosting_of(DiscoveryKey const& key) override {
    return pass([&] { return inner_->hosting_of(key); });
  }
  Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                            std::size_t limit) override {
    return pass([&] { return inner_->list(after, limit); });
  }
  Result<ReplicatorEntry> find(PublicKey const& id) override {
    return pass([&] { return inner_->find(id); });
  }
  Result<NonceState> nonce_state(Freshness freshness) override {
    return pass([&] { return inner_->nonce_state(freshness); });
  }
  Result<void> spend_nonce(PublicKey const& id, NonceUse const& nonce) override {
    return pass([&] { return inner_->spend_nonce(id, nonce); });
  }
  Result<std::uint64_t> now_unix_ms() override {
    return pass([&] { return inner_->now_unix_ms(); });
  }
  Result<Claim> claim(DiscoveryKey const& key, PublicKey const& id,
                      std::optional<PublicKey> const& instead_of, Duration life) override {
    return pass([&] { return inner_->claim(key, id, instead_of, life); });
  }
  Result<void> assign(PublicKey const& id, DiscoveryKey const& key, Duration life) override {
    return pass([&] { return inner_->assign(id, key, life); });
  }
  Result<Assignments> assignments_of(PublicKey const& id, std::uint64_t after,
                                     std::size_t limit) override {
    return pass([&] { return inner_->assignments_of(id, after, limit); });
  }
  Result<void> announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                             Duration life) override {
    return pass([&] { return inner_->announce_peer(key, peer, life); });
  }
  Result<std::vector<PeerEndpoint>> peers_of(DiscoveryKey const& key) override {
    return pass([&] { return inner_->peers_of(key); });
  }
  Result<bool> put_shared(SharedKind kind, std::string_view name, std::string_view value,
                          std::optional<Duration> life, bool only_if_absent) override {
    return pass([&] { return inner_->put_shared(kind, name, value, life, only_if_absent); });
  }
  Result<std::optional<std::string>> take_shared(SharedKind kind, std::string_view name) override {
    return pass([&] { return inner_->take_shared(kind, name); });
  }
  Result<std::vector<Shared>> list_shared(SharedKind kind) override {
    return pass([&] { return inner_->list_shared(kind); });
  }
  void watch(StoreWatcher& watcher) override {
    if (inner_ != nullptr) inner_->watch(watcher);
  }
  StoreOptions const& options() const override {
    return inner_ != nullptr ? inner_->options() : options_;
  }

 protected:
  /// Asked before each call that is passed on.
  virtual std::optional<Unexpected> refusal() {
    if (inner_ != nullptr) return std::nullopt;
    return Unexpected(ErrorCode::Storage, "not part of this test");
  }

 private:
  template <typename Call>
  auto pass(Call const& call) -> decltype(call()) {
    if (std::optional<Unexpected> refused = refusal()) return *std::move(refused);
    return call();
  }

  RecordStore* const inner_;
  StoreOptions options_;
};

}  // namespace holdfast::discovery
