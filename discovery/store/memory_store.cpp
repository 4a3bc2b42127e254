#include "discovery/store/memory_store.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "crypto/hash.h"
#include "discovery/store/memory_extras.h"

namespace holdfast::discovery {

namespace {

using registration::ProjectListing;
using registration::ReplicatorState;

struct Kept {
  Bytes signed_record;
  std::uint64_t seq = 0;
  std::string observed_host;
  ReplicatorState state = ReplicatorState::Active;
  registration::LoadFigures load;
  Health health;
  std::uint64_t generation = 0;
  std::uint64_t lease_end_unix_ms = 0;
  std::unordered_set<DiscoveryKey> keys;
  AssignmentTable assignments;
};

/// Who is listed for one key. Ids are admitted, so a sorted map is small and ordered.
using Hosts = std::map<PublicKey, Hosting>;

class MemoryStore final : public RecordStore {
 public:
  MemoryStore(StoreOptions options, UnixClock clock) : options_(options), clock_(std::move(clock)) {
    random_bytes(secret_.bytes);
  }

  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host, Health const& health) override;
  std::vector<Result<ReplicatorEntry>> renew_all(std::vector<Renewal> const& renewals) override;
  Result<void> set_health(PublicKey const& id, Health const& health) override;
  Result<ProjectsChange> change_projects(PublicKey const& id,
                                         registration::ProjectsRequest const& request,
                                         std::uint64_t keys_max) override;
  Result<void> deregister(PublicKey const& id) override;
  Result<HostingSet> hosting_of(DiscoveryKey const& key) override;
  Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                            std::size_t limit) override;
  Result<ReplicatorEntry> find(PublicKey const& id) override;
  Result<NonceState> nonce_state(Freshness freshness) override;
  Result<void> spend_nonce(PublicKey const& id, NonceUse const& nonce) override;
  Result<std::uint64_t> now_unix_ms() override {
    MutexLock const lock(mutex_);
    return clock_();
  }
  Result<Claim> claim(DiscoveryKey const& key, PublicKey const& id,
                      std::optional<PublicKey> const& instead_of, Duration life) override;
  Result<void> assign(PublicKey const& id, DiscoveryKey const& key, Duration life) override;
  Result<Assignments> assignments_of(PublicKey const& id, std::uint64_t after,
                                     std::size_t limit) override;
  Result<void> announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                             Duration life) override;
  Result<std::vector<PeerEndpoint>> peers_of(DiscoveryKey const& key) override;
  Result<bool> put_shared(SharedKind kind, std::string_view name, std::string_view value,
                          std::optional<Duration> life, bool only_if_absent) override;
  Result<std::optional<std::string>> take_shared(SharedKind kind, std::string_view name) override;
  Result<std::vector<Shared>> list_shared(SharedKind kind) override;
  void watch(StoreWatcher& watcher) override;
  StoreOptions const& options() const override { return options_; }

 private:
  using Replicators = std::map<PublicKey, Kept>;

  std::uint64_t lease_end(std::uint64_t now) const {
    return now + static_cast<std::uint64_t>(options_.lease.count());
  }
  ReplicatorEntry entry_of(PublicKey const& id, Kept const& kept, std::uint64_t now) const;
  static bool fits(Kept const& kept, registration::ProjectsRequest const& request,
                   std::uint64_t keys_max);
  Result<ReplicatorEntry> renew_one(Renewal const& renewal, std::uint64_t now)
      HOLDFAST_REQUIRES(mutex_);
  void list_key(PublicKey const& id, Kept& kept, ProjectListing const& listing)
      HOLDFAST_REQUIRES(mutex_);
  bool make_room(Hosts& hosts, ProjectListing const& listing) HOLDFAST_REQUIRES(mutex_);
  void unlist(PublicKey const& id, DiscoveryKey const& key) HOLDFAST_REQUIRES(mutex_);
  void unlist_all(PublicKey const& id, Kept& kept) HOLDFAST_REQUIRES(mutex_);
  void forget_old(std::uint64_t now) HOLDFAST_REQUIRES(mutex_);
  Result<void> use_nonce(NonceUse const& nonce, std::uint64_t now) HOLDFAST_REQUIRES(mutex_);
  Kept* find_live(PublicKey const& id, std::uint64_t now) HOLDFAST_REQUIRES(mutex_);
  std::uint64_t next_generation(std::uint64_t now) HOLDFAST_REQUIRES(mutex_) {
    return last_generation_ = std::max(last_generation_ + 1, now);
  }
  void tell_hosting(DiscoveryKey const& key) HOLDFAST_REQUIRES(mutex_) {
    if (watcher_ != nullptr) watcher_->on_hosting(key);
  }
  void tell_replicator(PublicKey const& id, Kept const& kept, std::uint64_t now)
      HOLDFAST_REQUIRES(mutex_) {
    if (watcher_ != nullptr) watcher_->on_replicator(entry_of(id, kept, now), now);
  }

  StoreOptions const options_;
  UnixClock const clock_;
  Hash secret_;
  Mutex mutex_;
  StoreWatcher* watcher_ HOLDFAST_GUARDED_BY(mutex_) = nullptr;
  Replicators replicators_ HOLDFAST_GUARDED_BY(mutex_);
  std::unordered_map<DiscoveryKey, Hosts> hosts_ HOLDFAST_GUARDED_BY(mutex_);
  std::unordered_set<std::string> used_nonces_ HOLDFAST_GUARDED_BY(mutex_);
  std::multimap<std::uint64_t, std::string> nonce_ends_ HOLDFAST_GUARDED_BY(mutex_);
  ClaimTable claims_ HOLDFAST_GUARDED_BY(mutex_);
  PeerTable peers_ HOLDFAST_GUARDED_BY(mutex_);
  SharedTable shared_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint64_t last_generation_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_sweep_unix_ms_ HOLDFAST_GUARDED_BY(mutex_) = 0;
};

ReplicatorEntry MemoryStore::entry_of(PublicKey const& id, Kept const& kept,
                                      std::uint64_t now) const {
  ReplicatorEntry out;
  out.id = id;
  out.signed_record = kept.signed_record;
  out.observed_host = kept.observed_host;
  out.state = kept.state;
  out.load = kept.load;
  out.health = kept.health;
  out.generation = kept.generation;
  out.projects = kept.keys.size();
  if (kept.lease_end_unix_ms > now) {
    out.lease_left = Duration(static_cast<Duration::rep>(kept.lease_end_unix_ms - now));
  }
  return out;
}

Kept* MemoryStore::find_live(PublicKey const& id, std::uint64_t now) {
  auto const found = replicators_.find(id);
  if (found == replicators_.end() || found->second.lease_end_unix_ms <= now) return nullptr;
  return &found->second;
}

void MemoryStore::unlist(PublicKey const& id, DiscoveryKey const& key) {
  auto const found = hosts_.find(key);
  if (found == hosts_.end()) return;
  found->second.erase(id);
  if (found->second.empty()) hosts_.erase(found);
  tell_hosting(key);
}

void MemoryStore::unlist_all(PublicKey const& id, Kept& kept) {
  for (DiscoveryKey const& key : kept.keys) unlist(id, key);
  kept.keys.clear();
}

/// Looks at every replicator, so it runs at most a few times per forget_after.
void MemoryStore::forget_old(std::uint64_t now) {
  if (now < next_sweep_unix_ms_) return;
  auto const forget_after = static_cast<std::uint64_t>(options_.forget_after.count());
  next_sweep_unix_ms_ = now + forget_after / 8;
  claims_.sweep(now);
  peers_.sweep(now);
  for (auto next = replicators_.begin(); next != replicators_.end();) {
    if (next->second.lease_end_unix_ms + forget_after > now) {
      ++next;
      continue;
    }
    unlist_all(next->first, next->second);
    if (watcher_ != nullptr) watcher_->on_gone(next->first);
    next = replicators_.erase(next);
  }
}

Result<PutAnswer> MemoryStore::put_registration(registration::SignedRecord const& record,
                                                std::string_view observed_host,
                                                Health const& health) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  forget_old(now);
  PublicKey const& id = record.record.id;
  auto found = replicators_.find(id);
  PutAnswer out;
  if (found == replicators_.end()) {
    if (replicators_.size() >= options_.replicators_max) {
      return Unexpected(ErrorCode::LimitExceeded, "too many replicators");
    }
    found = replicators_.try_emplace(id).first;
    found->second.generation = next_generation(now);
  } else if (found->second.signed_record == record.bytes) {
    out.outcome = PutAnswer::Outcome::Unchanged;
  } else if (record.record.seq <= found->second.seq) {
    return PutAnswer{PutAnswer::Outcome::Conflict, found->second.signed_record,
                     found->second.keys.size(), found->second.health};
  }
  Kept& kept = found->second;
  if (out.outcome == PutAnswer::Outcome::Stored) {
    kept.health = health;
    kept.health.transcript.resize(std::min(health.transcript.size(), kTranscriptBytesMax));
  }
  kept.signed_record = record.bytes;
  kept.seq = record.record.seq;
  kept.observed_host = observed_host;
  kept.state = ReplicatorState::Active;
  kept.lease_end_unix_ms = lease_end(now);
  out.projects = kept.keys.size();
  out.health = kept.health;
  tell_replicator(id, kept, now);
  return out;
}

std::vector<Result<ReplicatorEntry>> MemoryStore::renew_all(std::vector<Renewal> const& renewals) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  forget_old(now);
  std::vector<Result<ReplicatorEntry>> out;
  for (Renewal const& renewal : renewals) out.push_back(renew_one(renewal, now));
  return out;
}

Result<ReplicatorEntry> MemoryStore::renew_one(Renewal const& renewal, std::uint64_t now) {
  if (renewal.nonce) {
    Result<void> const used = use_nonce(*renewal.nonce, now);
    if (!used) return Unexpected(used.error());
  }
  Kept* const kept = find_live(renewal.id, now);
  if (kept == nullptr) return Unexpected(ErrorCode::NotFound, "no lease");
  kept->state = renewal.request.state;
  kept->load = renewal.request.load;
  kept->lease_end_unix_ms = lease_end(now);
  if (watcher_ != nullptr) {
    watcher_->on_renewed(renewal.id, kept->state, kept->load, options_.lease, now);
  }
  ReplicatorEntry out = entry_of(renewal.id, *kept, now);
  out.signed_record.clear();
  out.observed_host.clear();
  return out;
}

Result<void> MemoryStore::set_health(PublicKey const& id, Health const& health) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  auto const found = replicators_.find(id);
  if (found == replicators_.end()) return Unexpected(ErrorCode::NotFound, "no such replicator");
  found->second.health = health;
  found->second.health.transcript.resize(std::min(health.transcript.size(), kTranscriptBytesMax));
  tell_replicator(id, found->second, now);
  return {};
}

/// Counts before anything is changed: all or nothing.
bool MemoryStore::fits(Kept const& kept, registration::ProjectsRequest const& request,
                       std::uint64_t keys_max) {
  std::unordered_set<DiscoveryKey> fresh;
  std::unordered_set<DiscoveryKey> added;
  for (ProjectListing const& listing : request.add) {
    added.insert(listing.key);
    if (request.replace || !kept.keys.contains(listing.key)) fresh.insert(listing.key);
  }
  if (fresh.empty()) return true;
  if (request.replace) return fresh.size() <= keys_max;
  std::unordered_set<DiscoveryKey> gone;
  for (DiscoveryKey const& key : request.remove) {
    if (kept.keys.contains(key) && !added.contains(key)) gone.insert(key);
  }
  return kept.keys.size() - gone.size() + fresh.size() <= keys_max;
}

/// Returns: whether one more line fits, after one without a proof made room if need be.
bool MemoryStore::make_room(Hosts& hosts, ProjectListing const& listing) {
  if (hosts.size() < options_.hosts_per_key_max) return true;
  if (!listing.proof) return false;
  auto const unproven =
      std::find_if(hosts.begin(), hosts.end(), [](auto const& host) { return !host.second.proof; });
  if (unproven == hosts.end()) return false;
  replicators_.at(unproven->first).keys.erase(listing.key);
  hosts.erase(unproven);
  return true;
}

/// Adds the key to `kept.keys`, unless its hosting set is full.
void MemoryStore::list_key(PublicKey const& id, Kept& kept, ProjectListing const& listing) {
  kept.assignments.erase(listing.key);
  Hosts& hosts = hosts_[listing.key];
  Hosting const line{id, kept.generation, listing.proof};
  auto const found = hosts.find(id);
  if (found == hosts.end() && !make_room(hosts, listing)) return;
  kept.keys.insert(listing.key);
  if (found != hosts.end() && found->second == line) return;
  hosts.insert_or_assign(id, line);
  tell_hosting(listing.key);
}

Result<ProjectsChange> MemoryStore::change_projects(PublicKey const& id,
                                                    registration::ProjectsRequest const& request,
                                                    std::uint64_t keys_max) {
  if (request.add.size() + request.remove.size() > registration::kBatchKeysMax) {
    return Unexpected(ErrorCode::LimitExceeded, "too many keys in one batch");
  }
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  Kept* const kept = find_live(id, now);
  if (kept == nullptr) return Unexpected(ErrorCode::NotFound, "no lease");
  if (!fits(*kept, request, keys_max))
    return Unexpected(ErrorCode::LimitExceeded, "too many projects");
  ProjectsChange out;
  if (request.replace) {
    unlist_all(id, *kept);
    kept->generation = next_generation(now);
    tell_replicator(id, *kept, now);
  }
  for (DiscoveryKey const& key : request.remove) {
    if (kept->keys.erase(key) > 0) unlist(id, key);
  }
  for (ProjectListing const& listing : request.add) list_key(id, *kept, listing);
  std::set<DiscoveryKey> refused;
  for (ProjectListing const& listing : request.add) {
    if (!kept->keys.contains(listing.key)) refused.insert(listing.key);
  }
  out.refused.assign(refused.begin(), refused.end());
  out.projects = kept->keys.size();
  return out;
}

Result<void> MemoryStore::deregister(PublicKey const& id) {
  MutexLock const lock(mutex_);
  auto const found = replicators_.find(id);
  if (found == replicators_.end()) return Unexpected(ErrorCode::NotFound, "no such replicator");
  unlist_all(id, found->second);
  replicators_.erase(found);
  if (watcher_ != nullptr) watcher_->on_gone(id);
  return {};
}

Result<HostingSet> MemoryStore::hosting_of(DiscoveryKey const& key) {
  MutexLock const lock(mutex_);
  HostingSet out;
  out.now_unix_ms = clock_();
  auto const found = hosts_.find(key);
  if (found == hosts_.end()) return out;
  for (auto const& [id, line] : found->second) out.lines.push_back(line);
  return out;
}

Result<std::vector<ReplicatorEntry>> MemoryStore::list(std::optional<PublicKey> after,
                                                       std::size_t limit) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  std::vector<ReplicatorEntry> out;
  auto next = after ? replicators_.upper_bound(*after) : replicators_.begin();
  for (; next != replicators_.end() && out.size() < limit; ++next) {
    if (next->second.lease_end_unix_ms <= now) continue;
    out.push_back(entry_of(next->first, next->second, now));
  }
  return out;
}

Result<ReplicatorEntry> MemoryStore::find(PublicKey const& id) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  forget_old(now);
  auto const found = replicators_.find(id);
  if (found == replicators_.end()) return Unexpected(ErrorCode::NotFound, "no such replicator");
  return entry_of(id, found->second, now);
}

Result<NonceState> MemoryStore::nonce_state(Freshness /*freshness*/) {
  MutexLock const lock(mutex_);
  return NonceState{.secret = secret_, .now_unix_ms = clock_()};
}

Result<void> MemoryStore::use_nonce(NonceUse const& nonce, std::uint64_t now) {
  while (!nonce_ends_.empty() && nonce_ends_.begin()->first <= now) {
    used_nonces_.erase(nonce_ends_.begin()->second);
    nonce_ends_.erase(nonce_ends_.begin());
  }
  if (nonce.secret != secret_) return Unexpected(ErrorCode::Denied, "nonce of another store");
  if (used_nonces_.contains(nonce.name)) {
    return Unexpected(ErrorCode::Denied, "nonce was used before");
  }
  if (used_nonces_.size() >= options_.used_nonces_max) {
    return Unexpected(ErrorCode::Unavailable, "too many requests within the life of a nonce");
  }
  used_nonces_.emplace(nonce.name);
  nonce_ends_.emplace(now + static_cast<std::uint64_t>(nonce.life.count()), nonce.name);
  return {};
}

/// Counts once for all ids together, which is stricter than the contract.
Result<void> MemoryStore::spend_nonce(PublicKey const& /*id*/, NonceUse const& nonce) {
  MutexLock const lock(mutex_);
  return use_nonce(nonce, clock_());
}

Result<Claim> MemoryStore::claim(DiscoveryKey const& key, PublicKey const& id,
                                 std::optional<PublicKey> const& instead_of, Duration life) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  forget_old(now);
  return claims_.claim(key, id, instead_of, life, now);
}

Result<void> MemoryStore::assign(PublicKey const& id, DiscoveryKey const& key, Duration life) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  Kept* const kept = find_live(id, now);
  if (kept == nullptr) return Unexpected(ErrorCode::NotFound, "no lease");
  if (!kept->assignments.assign(key, life, options_.assignments_per_replicator_max, now)) {
    return Unexpected(ErrorCode::LimitExceeded, "too many assignments");
  }
  if (watcher_ != nullptr) watcher_->on_assignment(id);
  return {};
}

Result<Assignments> MemoryStore::assignments_of(PublicKey const& id, std::uint64_t after,
                                                std::size_t limit) {
  MutexLock const lock(mutex_);
  auto const found = replicators_.find(id);
  if (found == replicators_.end()) return Assignments{after, {}};
  return found->second.assignments.after(after, limit, clock_());
}

Result<void> MemoryStore::announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                                        Duration life) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  forget_old(now);
  peers_.announce(key, peer, life, options_.peers_per_key_max, now);
  return {};
}

Result<std::vector<PeerEndpoint>> MemoryStore::peers_of(DiscoveryKey const& key) {
  MutexLock const lock(mutex_);
  return peers_.of(key, clock_());
}

Result<bool> MemoryStore::put_shared(SharedKind kind, std::string_view name, std::string_view value,
                                     std::optional<Duration> life, bool only_if_absent) {
  if (Result<void> const fits = check_shared(name, value); !fits) return Unexpected(fits.error());
  MutexLock const lock(mutex_);
  Result<bool> const put = shared_.put(
      kind, name, value, {life, only_if_absent, options_.shared_per_kind_max}, clock_());
  if (put && *put && watcher_ != nullptr) watcher_->on_shared(kind);
  return put;
}

Result<std::optional<std::string>> MemoryStore::take_shared(SharedKind kind,
                                                            std::string_view name) {
  MutexLock const lock(mutex_);
  std::optional<std::string> out = shared_.take(kind, name, clock_());
  if (out && watcher_ != nullptr) watcher_->on_shared(kind);
  return out;
}

Result<std::vector<Shared>> MemoryStore::list_shared(SharedKind kind) {
  MutexLock const lock(mutex_);
  return shared_.list(kind, clock_());
}

void MemoryStore::watch(StoreWatcher& watcher) {
  MutexLock const lock(mutex_);
  HOLDFAST_CHECK(watcher_ == nullptr);
  watcher_ = &watcher;
  std::uint64_t const now = clock_();
  std::vector<ReplicatorEntry> all;
  for (auto const& [id, kept] : replicators_) all.push_back(entry_of(id, kept, now));
  watcher.on_table(std::move(all), now, /*recovering=*/false);
}

}  // namespace

UnixClock system_unix_clock() {
  return [] {
    auto const now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  };
}

std::unique_ptr<RecordStore> make_memory_store(StoreOptions options, UnixClock clock) {
  HOLDFAST_CHECK(options.lease >= Duration(1'000));
  return std::make_unique<MemoryStore>(options, std::move(clock));
}

}  // namespace holdfast::discovery
