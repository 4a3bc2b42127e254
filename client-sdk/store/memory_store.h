#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "core/store.h"

namespace holdfast::store {

/// A store that forgets everything when it goes: for tests, and for clones that are only passed on.
///
/// Rules:
///  1. What a fork cuts off is not kept. Why: retention is for nodes, which use RocksDbStore.
///  2. A commit copies a core only while a view of it is open.
/// Memory: all that is stored, bounded by Options::budget_bytes.
class MemoryStore final : public core::Store {
 public:
  struct Options {
    std::uint64_t budget_bytes =
        0;  ///< Of blocks and tree nodes; 0: no limit. StorageFull beyond it.
  };

  MemoryStore();
  explicit MemoryStore(Options options);
  ~MemoryStore() override;

  Result<std::optional<core::CoreRecord>> load(CoreKey const& key) override;
  Result<std::unique_ptr<core::CoreView>> view(CoreKey const& key) override;
  Result<void> commit(std::span<core::Commit const> commits) override;
  Result<std::vector<CoreKey>> list() override;
  Result<void> erase(CoreKey const& key) override;

  Result<std::optional<Bytes>> get_meta(std::string_view name) override;
  Result<void> put_meta(std::string_view name, ByteView value) override;
  Result<void> erase_meta(std::string_view name) override;
  Result<std::vector<std::string>> list_meta(std::string_view prefix) override;

  /// Bytes of blocks and tree nodes held.
  std::uint64_t used_bytes() const;
  /// Lets space come back, or run out, as on a disk that others use too.
  void set_budget_bytes(std::uint64_t bytes);

 private:
  struct CoreState;
  class View;

  CoreState& writable(CoreKey const& key) HOLDFAST_REQUIRES(mutex_);
  std::uint64_t used_now() const HOLDFAST_REQUIRES(mutex_);
  void apply(core::Commit const& commit) HOLDFAST_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Options options_ HOLDFAST_GUARDED_BY(mutex_);
  std::map<CoreKey, std::shared_ptr<CoreState>> cores_ HOLDFAST_GUARDED_BY(mutex_);
  std::map<std::string, Bytes, std::less<>> meta_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::store
