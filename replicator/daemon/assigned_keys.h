#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "core/store.h"
#include "crypto/keys.h"

namespace holdfast::replicator {

/// Registry keys that a volunteer took on and has no core key for yet; kept in the store's meta values.
///
/// The service knows only the hash of a project key, so a node that is assigned one must wait for a client that brings
/// the key itself.
/// Thread-safety: all methods, any thread. Each change waits for the disk.
class AssignedKeys {
 public:
  static constexpr std::size_t kKeysMax = 10'000;

  explicit AssignedKeys(core::Store& store) : store_(store) {}

  /// Reads what earlier runs kept. Errors: Storage, Malformed (damaged entry).
  Result<void> load();
  /// Returns: whether it was new. Errors: LimitExceeded, Storage.
  Result<bool> add(DiscoveryKey const& key, std::uint64_t now_unix_ms);
  /// Returns: whether it was there. Errors: Storage.
  Result<bool> remove(DiscoveryKey const& key);
  /// Gives up what was taken on before `before_unix_ms`. Returns: how many. Errors: Storage.
  Result<std::size_t> expire(std::uint64_t before_unix_ms);

  bool has(DiscoveryKey const& key) const;
  /// In order.
  std::vector<DiscoveryKey> list() const;
  std::size_t size() const;

 private:
  core::Store& store_;
  mutable Mutex mutex_;
  std::map<DiscoveryKey, std::uint64_t> since_unix_ms_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::replicator
