#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

namespace rocksdb {
class Env;
}

namespace holdfast::support {

/// A directory as a power cut would leave it: for RocksDB, through RocksDbStore::Options::env.
///
/// Rules:
///  1. What is appended to a file stays in this process's memory until that file is synced.
///  2. A created, renamed or deleted name changes on the real disk only when its directory is
///     synced; until then a new file lies under another name.
///  3. Within the process everything looks as if it had been written.
/// So kill -9 loses exactly what a power cut may lose. Why not drop the page cache instead: a plain
/// kill keeps it, and proves nothing about a missing fsync.
/// Real syncs are not done: the page cache outlives the process, and tests run hundreds of times as
/// fast.
/// Only files directly in the directory are covered; RocksDB's own LOG and LOCK go to the real
/// disk.
/// Thread-safety: all methods may be called from any thread.
class UnsyncedDisk {
 public:
  /// Takes the directory as it is on disk; what an earlier process had not made durable is removed.
  explicit UnsyncedDisk(std::filesystem::path const& directory);
  ~UnsyncedDisk();
  UnsyncedDisk(UnsyncedDisk const&) = delete;
  UnsyncedDisk& operator=(UnsyncedDisk const&) = delete;

  /// For RocksDbStore::Options::env; may outlive this object.
  std::shared_ptr<rocksdb::Env> env() const;

  /// The power goes: from now on nothing reaches the disk. The process goes on as a ghost whose
  /// calls succeed, so that no error path hides what is tested; what it is told after this does not
  /// count. Open the directory again with a new object, after the store is closed.
  /// `tear_seed`: 0 loses all unsynced bytes; else each file keeps a random part of them from the
  /// front, as a disk may that was just writing.
  void crash(std::uint64_t tear_seed = 0);
  /// As crash(), just before the `count`-th change from now on.
  void crash_after(std::uint64_t count, std::uint64_t tear_seed = 0);
  bool crashed() const;
  /// Changes (appends, syncs, names) so far.
  std::uint64_t changes() const;

  /// Only so many more bytes may be appended, and what is deleted; then NoSpace. The largest number
  /// means no limit.
  void set_space_left(std::uint64_t bytes);
  /// The next `count` syncs of files fail; the bytes stay unsynced.
  void fail_syncs(std::uint64_t count);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace holdfast::support
