#include "discovery/store/memory_store.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "crypto/hash.h"

namespace holdfast::discovery {

namespace {

using registration::KeyholderProof;
using registration::ProjectListing;
using registration::ReplicatorState;

struct Kept {
  Bytes signed_record;
  std::uint64_t seq = 0;
  std::string region;
  std::string observed_host;
  ReplicatorState state = ReplicatorState::Active;
  registration::LoadFigures load;
  std::uint64_t lease_end_unix_ms = 0;
  std::unordered_set<DiscoveryKey> keys;
};

/// Who is listed for one key. Ids are admitted, so a sorted map is small and ordered.
using Hosts = std::map<PublicKey, std::optional<KeyholderProof>>;

/// A host that could be given.
struct Chosen {
  bool is_elsewhere;
  Hash rank;
  PublicKey id;
  Kept const* kept;
  std::optional<KeyholderProof> proof;

  bool operator<(Chosen const& other) const {
    return std::tie(is_elsewhere, rank) < std::tie(other.is_elsewhere, other.rank);
  }
};

/// Cuts a long list down. Which are left over depends on the key, so that nobody can choose an id that comes
/// first for every key.
void keep_best(std::vector<Chosen>& hosts, HostQuery const& query) {
  if (hosts.size() <= query.candidates_max) return;
  for (Chosen& host : hosts) host.rank = blake2b({query.key.view(), host.id.view()});
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(hosts.begin() + static_cast<std::ptrdiff_t>(query.candidates_max), hosts.end());
}

class MemoryStore final : public RecordStore {
 public:
  MemoryStore(StoreOptions options, UnixClock clock) : options_(options), clock_(std::move(clock)) {
    random_bytes(secret_.bytes);
  }

  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host) override;
  Result<ReplicatorEntry> renew(PublicKey const& id,
                                registration::RenewRequest const& request) override;
  Result<std::uint64_t> change_projects(PublicKey const& id,
                                        registration::ProjectsRequest const& request) override;
  Result<void> deregister(PublicKey const& id) override;
  Result<HostAnswer> hosts_of(HostQuery const& query) override;
  Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                            std::size_t limit) override;
  Result<ReplicatorEntry> find(PublicKey const& id) override;
  Result<NonceState> nonce_state() override;
  Result<void> spend_nonce(Hash const& secret, std::string_view nonce_id, Duration life) override;
  Result<std::uint64_t> now_unix_ms() override {
    MutexLock const lock(mutex_);
    return clock_();
  }
  StoreOptions const& options() const override { return options_; }

 private:
  std::uint64_t lease_end(std::uint64_t now) const {
    return now + static_cast<std::uint64_t>(options_.lease.count());
  }
  ReplicatorEntry entry_of(PublicKey const& id, Kept const& kept, std::uint64_t now) const;
  bool fits(PublicKey const& id, Kept const& kept,
            registration::ProjectsRequest const& request) const HOLDFAST_REQUIRES(mutex_);
  void unlist(PublicKey const& id, DiscoveryKey const& key) HOLDFAST_REQUIRES(mutex_);
  void forget_old(std::uint64_t now) HOLDFAST_REQUIRES(mutex_);
  Kept* find_live(PublicKey const& id, std::uint64_t now) HOLDFAST_REQUIRES(mutex_);

  StoreOptions const options_;
  UnixClock const clock_;
  Hash secret_;
  Mutex mutex_;
  std::map<PublicKey, Kept> replicators_ HOLDFAST_GUARDED_BY(mutex_);
  std::unordered_map<DiscoveryKey, Hosts> hosts_ HOLDFAST_GUARDED_BY(mutex_);
  std::unordered_set<std::string> used_nonces_ HOLDFAST_GUARDED_BY(mutex_);
  std::multimap<std::uint64_t, std::string> nonce_ends_ HOLDFAST_GUARDED_BY(mutex_);
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
}

/// Looks at every replicator, so it runs at most a few times per forget_after.
void MemoryStore::forget_old(std::uint64_t now) {
  if (now < next_sweep_unix_ms_) return;
  auto const forget_after = static_cast<std::uint64_t>(options_.forget_after.count());
  next_sweep_unix_ms_ = now + forget_after / 8;
  for (auto next = replicators_.begin(); next != replicators_.end();) {
    if (next->second.lease_end_unix_ms + forget_after > now) {
      ++next;
      continue;
    }
    for (DiscoveryKey const& key : next->second.keys) unlist(next->first, key);
    next = replicators_.erase(next);
  }
}

Result<PutAnswer> MemoryStore::put_registration(registration::SignedRecord const& record,
                                                std::string_view observed_host) {
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
  } else if (found->second.signed_record == record.bytes) {
    out.outcome = PutAnswer::Outcome::Unchanged;
  } else if (record.record.seq <= found->second.seq) {
    return PutAnswer{PutAnswer::Outcome::Conflict, found->second.signed_record,
                     found->second.keys.size()};
  }
  Kept& kept = found->second;
  kept.signed_record = record.bytes;
  kept.seq = record.record.seq;
  kept.region = record.record.region;
  kept.observed_host = observed_host;
  kept.state = ReplicatorState::Active;
  kept.lease_end_unix_ms = lease_end(now);
  out.projects = kept.keys.size();
  return out;
}

Result<ReplicatorEntry> MemoryStore::renew(PublicKey const& id,
                                           registration::RenewRequest const& request) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  forget_old(now);
  Kept* const kept = find_live(id, now);
  if (kept == nullptr) return Unexpected(ErrorCode::NotFound, "no lease");
  kept->state = request.state;
  kept->load = request.load;
  kept->lease_end_unix_ms = lease_end(now);
  return entry_of(id, *kept, now);
}

/// Counts before anything is changed, as if nothing were removed: all or nothing.
bool MemoryStore::fits(PublicKey const& id, Kept const& kept,
                       registration::ProjectsRequest const& request) const {
  std::unordered_set<DiscoveryKey> fresh;
  for (ProjectListing const& listing : request.add) {
    if (kept.keys.contains(listing.key)) continue;
    fresh.insert(listing.key);
    auto const hosts = hosts_.find(listing.key);
    if (hosts != hosts_.end() && !hosts->second.contains(id) &&
        hosts->second.size() >= options_.hosts_per_key_max) {
      return false;
    }
  }
  std::size_t const before = request.replace ? 0 : kept.keys.size();
  return before + fresh.size() <= options_.projects_per_replicator_max;
}

Result<std::uint64_t> MemoryStore::change_projects(PublicKey const& id,
                                                   registration::ProjectsRequest const& request) {
  if (request.add.size() + request.remove.size() > registration::kBatchKeysMax) {
    return Unexpected(ErrorCode::LimitExceeded, "too many keys in one batch");
  }
  MutexLock const lock(mutex_);
  Kept* const kept = find_live(id, clock_());
  if (kept == nullptr) return Unexpected(ErrorCode::NotFound, "no lease");
  if (!fits(id, *kept, request)) {
    return Unexpected(ErrorCode::LimitExceeded, "too many projects, or too many hosts of a key");
  }
  if (request.replace) {
    for (DiscoveryKey const& key : kept->keys) unlist(id, key);
    kept->keys.clear();
  }
  for (DiscoveryKey const& key : request.remove) {
    if (kept->keys.erase(key) > 0) unlist(id, key);
  }
  for (ProjectListing const& listing : request.add) {
    kept->keys.insert(listing.key);
    hosts_[listing.key][id] = listing.proof;
  }
  return std::uint64_t{kept->keys.size()};
}

Result<void> MemoryStore::deregister(PublicKey const& id) {
  MutexLock const lock(mutex_);
  auto const found = replicators_.find(id);
  if (found == replicators_.end()) return Unexpected(ErrorCode::NotFound, "no such replicator");
  for (DiscoveryKey const& key : found->second.keys) unlist(id, key);
  replicators_.erase(found);
  return {};
}

Result<HostAnswer> MemoryStore::hosts_of(HostQuery const& query) {
  MutexLock const lock(mutex_);
  HostAnswer out;
  out.now_unix_ms = clock_();
  auto const found = hosts_.find(query.key);
  if (found == hosts_.end()) return out;
  std::vector<Chosen> chosen;
  for (auto const& [id, proof] : found->second) {
    bool const is_proven = proof && proof->expires_unix_s > out.now_unix_ms / 1000;
    if (query.keyholder && (!is_proven || proof->keyholder != *query.keyholder)) continue;
    out.known = true;
    Kept const& kept = replicators_.at(id);
    if (kept.state != ReplicatorState::Active || kept.lease_end_unix_ms <= out.now_unix_ms) {
      continue;
    }
    bool const is_elsewhere = !query.region.empty() && kept.region != query.region;
    chosen.push_back({is_elsewhere, {}, id, &kept, is_proven ? proof : std::nullopt});
  }
  keep_best(chosen, query);
  for (Chosen& host : chosen) {
    out.hosts.push_back({entry_of(host.id, *host.kept, out.now_unix_ms), std::move(host.proof)});
  }
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

Result<NonceState> MemoryStore::nonce_state() {
  MutexLock const lock(mutex_);
  return NonceState{.secret = secret_, .now_unix_ms = clock_()};
}

Result<void> MemoryStore::spend_nonce(Hash const& secret, std::string_view nonce_id,
                                      Duration life) {
  MutexLock const lock(mutex_);
  std::uint64_t const now = clock_();
  while (!nonce_ends_.empty() && nonce_ends_.begin()->first <= now) {
    used_nonces_.erase(nonce_ends_.begin()->second);
    nonce_ends_.erase(nonce_ends_.begin());
  }
  if (secret != secret_) return Unexpected(ErrorCode::Denied, "nonce of another store");
  if (used_nonces_.contains(std::string(nonce_id))) {
    return Unexpected(ErrorCode::Denied, "nonce was used before");
  }
  if (used_nonces_.size() >= options_.used_nonces_max) {
    return Unexpected(ErrorCode::Unavailable, "too many requests within the life of a nonce");
  }
  used_nonces_.emplace(nonce_id);
  nonce_ends_.emplace(now + static_cast<std::uint64_t>(life.count()), nonce_id);
  return {};
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
