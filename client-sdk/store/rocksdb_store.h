#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/mutex.h"
#include "core/store.h"

namespace rocksdb {
class Env;
}

namespace holdfast::store {

struct Database;

/// Cores in one RocksDB directory; the durable store of a node. Format: docs/formats/store.md.
///
/// Rules:
///  1. One call of commit() is one write batch and one sync of the log, whatever it holds.
///     Why: rules 1 to 3 of core::Store at the price of a single wait for the disk.
///  2. What a fork cuts off is moved aside under (core, old fork, time) before the cut becomes
///  visible, and
///     stays until purge_retired(). Why: a stolen writer key must not be able to erase the past at
///     once.
///  3. Without space nothing is taken and reading goes on. The next commit tries again, so that the
///  store
///     recovers when space comes back, without a restart.
/// Thread-safety: as core::Store; commits of different threads wait for each other, so put a
/// GroupCommitter in front where several threads commit. Views may be read while anything else goes
/// on, and keep the database open until they are gone. Memory: Options::memory_bytes, and the
/// commits in the call.
class RocksDbStore final : public core::Store {
 public:
  struct Options {
    std::filesystem::path directory;            ///< Made if it is missing; its parent too.
    std::uint64_t memory_bytes = 64ULL << 20U;  ///< Caches and write buffers together.
    std::uint64_t budget_bytes = 0;  ///< On disk, about; 0: no limit. StorageFull beyond it.
    /// On the file system; below it commits that add are refused. Why: what was taken must still be
    /// flushed, and RocksDB 7.8 may stay read-only until it is opened again when its own writes
    /// meet a full disk.
    std::uint64_t reserve_bytes = 128ULL << 20U;
    std::function<std::uint64_t()> clock_ms;  ///< Unix time of cuts; the system's clock if empty.
    std::shared_ptr<rocksdb::Env> env;        ///< Other files than the system's, for tests.
    bool reclaim_in_background =
        true;  ///< Compact when the budget refuses a commit after deletions.
  };

  /// Errors: Conflict (the directory is in use by another process), Storage (damaged, made by a
  /// newer version, not readable): the detail names the directory.
  static Result<std::unique_ptr<RocksDbStore>> open(Options options);
  ~RocksDbStore() override;
  RocksDbStore(RocksDbStore const&) = delete;
  RocksDbStore& operator=(RocksDbStore const&) = delete;

  Result<std::optional<core::CoreRecord>> load(CoreKey const& key) override;
  Result<std::unique_ptr<core::CoreView>> view(CoreKey const& key) override;
  Result<void> commit(std::span<core::Commit const> commits) override;
  Result<std::vector<CoreKey>> list() override;
  Result<void> erase(CoreKey const& key) override;

  Result<std::optional<Bytes>> get_meta(std::string_view name) override;
  Result<void> put_meta(std::string_view name, ByteView value) override;
  Result<void> erase_meta(std::string_view name) override;
  Result<std::vector<std::string>> list_meta(std::string_view prefix) override;

  /// Deletes what cuts before this Unix time have left. Returns: how many cuts were forgotten.
  Result<std::size_t> purge_retired(std::uint64_t before_ms);
  /// Cuts whose blocks are still kept aside.
  Result<std::size_t> retired_count();
  /// Bytes on disk and in write buffers, about; what budget_bytes is compared with.
  std::uint64_t used_bytes() const;
  /// Whether the last commit that found no room would find none now, either. Waits for a commit that is under way.
  bool is_full();
  /// Gives deleted space back to the file system now; takes as long as rewriting all tables.
  Result<void> compact();

 private:
  explicit RocksDbStore(std::shared_ptr<Database> database);

  Result<void> check_budget(std::uint64_t adds) HOLDFAST_REQUIRES(commit_mutex_);
  void reclaim() HOLDFAST_REQUIRES(commit_mutex_);

  std::shared_ptr<Database> const database_;
  Mutex commit_mutex_;
  /// What used_bytes() said, and how much was written since: asking for every commit would be slow.
  std::uint64_t measured_bytes_ HOLDFAST_GUARDED_BY(commit_mutex_) = 0;
  std::uint64_t written_since_ HOLDFAST_GUARDED_BY(commit_mutex_) = ~std::uint64_t{0};
  /// Of the last commit that was refused for want of room, while there still is none; 0: there is.
  std::uint64_t refused_bytes_ HOLDFAST_GUARDED_BY(commit_mutex_) = 0;
  /// Something was deleted whose space a compaction would give back.
  bool has_garbage_ HOLDFAST_GUARDED_BY(commit_mutex_) = true;
};

}  // namespace holdfast::store
