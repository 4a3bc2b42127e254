#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include "base/mutex.h"
#include "store/bit_page.h"
#include "store/key_format.h"
#include "store/rocksdb_store.h"

// Private to this folder: everything that knows RocksDB's types.
namespace holdfast::store {

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
inline rocksdb::Slice slice(ByteView bytes) { return slice(as_text(bytes)); }
inline std::string_view text(rocksdb::Slice const& slice) { return {slice.data(), slice.size()}; }

/// The one place where RocksDB's failures become ours. Requires: !status.ok().
Unexpected failure(rocksdb::Status const& status, std::string_view doing);

/// An open RocksDB with our column families; shared by the store and its views.
struct Database {
  enum Family { Cores, Tree, Blocks, Bits, Retired };
  static constexpr std::size_t kFamilies = Retired + 1;

  Database() = default;
  Database(Database const&) = delete;
  Database& operator=(Database const&) = delete;
  ~Database();

  /// Opens, makes or refuses a directory.
  static Result<std::shared_ptr<Database>> open(RocksDbStore::Options options);

  rocksdb::ColumnFamilyHandle* family(Family which) const {
    return families[static_cast<std::size_t>(which)];
  }
  /// Returns: whether the key is there; its value in `value`.
  Result<bool> get(rocksdb::ReadOptions const& read, Family from, std::string_view key,
                   rocksdb::PinnableSlice& value) const;
  /// Returns: nothing if the core was never committed. Errors: Storage, also for a damaged row.
  Result<std::optional<CoreRow>> core_row(rocksdb::ReadOptions const& read,
                                          CoreKey const& key) const;
  Result<Bytes> manifest(rocksdb::ReadOptions const& read, CoreKey const& key) const;
  Result<BitPage> bit_page(CoreId id, std::uint64_t page) const;
  /// Writes and syncs; after an error it first tries to bring the database back.
  Result<void> write(rocksdb::WriteBatch& batch, bool sync = true);
  /// Errors: StorageFull: less than the reserve would be free after writing `adds` bytes.
  Result<void> check_space(std::uint64_t adds) const;
  /// Asks RocksDB to write again after an error. Returns within about two seconds, also if RocksDB
  /// does not: it can wait for a flush that nobody starts when a second error meets the first one's
  /// recovery.
  /// Errors: StorageFull or Storage: still failed.
  Result<void> resume() HOLDFAST_EXCLUDES(recovery_mutex);
  std::uint64_t used_bytes() const;
  Result<void> compact();

  RocksDbStore::Options options;
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};  ///< Owned; closed before `db`.
  /// RocksDB has met an error, in a write or in the background; the next write asks it to resume.
  /// Why not at once: the disk is still full. Shared with the listener that RocksDB keeps.
  std::shared_ptr<std::atomic<bool>> const failed = std::make_shared<std::atomic<bool>>(false);
  Mutex recovery_mutex;
  CondVar recovered;
  std::thread recovery
      HOLDFAST_GUARDED_BY(recovery_mutex);  ///< Runs DB::Resume(); at most one at a time.
  bool recovering HOLDFAST_GUARDED_BY(recovery_mutex) = false;
  rocksdb::Status recovery_status HOLDFAST_GUARDED_BY(recovery_mutex);
  std::atomic<std::uint64_t> next_id{0};  ///< Changed under the store's commit mutex only.
  std::atomic<bool> stopping{false};
  std::atomic<bool> compacting{false};
  std::thread compaction;  ///< At most one at a time; joined before it is started again.
};

std::unique_ptr<core::CoreView> make_view(std::shared_ptr<Database const> database,
                                          rocksdb::Snapshot const* snapshot,
                                          std::optional<CoreRow> row, Bytes manifest);

}  // namespace holdfast::store
