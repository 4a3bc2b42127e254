#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "core/store.h"
#include "crypto/keys.h"

namespace holdfast::replicator {

/// Which projects this node hosts, and which further cores belong to each; kept in the store's meta values.
///
/// Rules:
///  1. What add() or add_member() reported is there after a restart.
///  2. A project has at most kMembersMax further cores. Why: a client that knows one project key must not be able to
///     make the node keep cores without end.
/// Thread-safety: all methods, any thread. Each change waits for the disk.
class Projects {
 public:
  static constexpr std::size_t kMembersMax = 10'000;

  explicit Projects(core::Store& store) : store_(store) {}

  /// Reads what earlier runs kept. Errors: Storage, Malformed (damaged entry).
  Result<void> load();
  /// Returns: whether it was new. Errors: Storage.
  Result<bool> add(CoreKey const& root);
  /// Returns: whether it was there. Errors: Storage.
  Result<bool> remove(CoreKey const& root);
  /// Returns: whether `member` was new to `root`. Errors: NotFound (no such project), LimitExceeded, Storage.
  Result<bool> add_member(CoreKey const& root, CoreKey const& member);

  bool has(CoreKey const& root) const;
  /// Whether the project behind this registry key is hosted.
  bool has(DiscoveryKey const& key) const;
  std::size_t size() const;
  std::vector<CoreKey> roots() const;
  /// Registry key and root of every project, in order of registry key.
  std::vector<std::pair<DiscoveryKey, CoreKey>> by_discovery_key() const;
  std::vector<CoreKey> members(CoreKey const& root) const;
  /// Projects that hold this core, as root or member.
  std::vector<CoreKey> projects_of(CoreKey const& core) const;

 private:
  Result<void> persist(CoreKey const& root, std::set<CoreKey> const& members);

  core::Store& store_;
  mutable Mutex mutex_;
  std::map<CoreKey, std::set<CoreKey>> projects_ HOLDFAST_GUARDED_BY(mutex_);
  /// The same projects. Why kept: hashing all roots for each question is what a node with many would mostly do.
  std::map<DiscoveryKey, CoreKey> roots_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::replicator
