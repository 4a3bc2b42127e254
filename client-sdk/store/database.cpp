#include "store/database.h"

#include <chrono>

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace holdfast::store {

namespace {

constexpr std::chrono::milliseconds kResumeWait(200);
constexpr int kResumeWaits = 10;

}  // namespace

Unexpected failure(rocksdb::Status const& status, std::string_view doing) {
  HOLDFAST_CHECK(!status.ok());
  ErrorCode const code = status.IsNoSpace() ? ErrorCode::StorageFull : ErrorCode::Storage;
  return {code, std::string(doing) + ": " + status.ToString()};
}

Database::~Database() {
  stopping = true;
  if (compaction.joinable()) compaction.join();
  if (!db) return;
  {
    MutexLock lock(recovery_mutex);
    while (recovering) {
      lock.unlock();
      rocksdb::CancelAllBackgroundWork(db.get(),
                                       /*wait=*/false);  // Ends a Resume() that still waits.
      lock.lock();
      if (recovering) (void)recovered.wait_for(recovery_mutex, kResumeWait);
    }
    if (recovery.joinable()) recovery.join();
  }
  for (rocksdb::ColumnFamilyHandle* handle : families) {
    if (handle != nullptr) (void)db->DestroyColumnFamilyHandle(handle);
  }
  (void)db->Close();
}

Result<bool> Database::get(rocksdb::ReadOptions const& read, Family from, std::string_view key,
                           rocksdb::PinnableSlice& value) const {
  rocksdb::Status const status = db->Get(read, family(from), slice(key), &value);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return failure(status, "reading the store");
  return true;
}

Result<std::optional<CoreRow>> Database::core_row(rocksdb::ReadOptions const& read,
                                                  CoreKey const& key) const {
  rocksdb::PinnableSlice value;
  Result<bool> const found = get(read, Cores, head_key(key), value);
  if (!found) return Unexpected(found.error());
  if (!*found) return std::optional<CoreRow>();
  std::optional<CoreRow> row = decode_core_row(text(value));
  if (!row)
    return Unexpected(ErrorCode::Storage, "the record of core " + key.hex() + " is damaged");
  return row;
}

Result<Bytes> Database::manifest(rocksdb::ReadOptions const& read, CoreKey const& key) const {
  rocksdb::PinnableSlice value;
  Result<bool> const found = get(read, Cores, manifest_key(key), value);
  if (!found) return Unexpected(found.error());
  if (!*found) {
    return Unexpected(ErrorCode::Storage, "the manifest of core " + key.hex() + " is missing");
  }
  return to_bytes(as_bytes(text(value)));
}

Result<BitPage> Database::bit_page(CoreId id, std::uint64_t page) const {
  rocksdb::PinnableSlice value;
  Result<bool> const found = get({}, Bits, RowKey(id, page).view(), value);
  if (!found) return Unexpected(found.error());
  if (!*found) return BitPage();
  std::optional<BitPage> const decoded = BitPage::decode(text(value));
  if (!decoded) return Unexpected(ErrorCode::Storage, "a page of the block map is damaged");
  return *decoded;
}

Result<void> Database::check_space(std::uint64_t adds) const {
  std::uint64_t free = 0;
  rocksdb::IOStatus const status = db->GetFileSystem()->GetFreeSpace(
      options.directory.string(), rocksdb::IOOptions(), &free, nullptr);
  // Not every file system says; then the writes themselves will.
  if (!status.ok() || free >= options.reserve_bytes + 2 * adds) return {};
  return Unexpected(ErrorCode::StorageFull, "the disk is full but for a reserve");
}

Result<void> Database::resume() {
  MutexLock const lock(recovery_mutex);
  if (!*failed) return {};  // Another thread was first.
  if (!recovering) {
    if (recovery.joinable()) recovery.join();
    recovering = true;
    recovery = std::thread([this] {
      // Flushes what is in memory and starts a new log, so that nothing torn lies before what follows.
      rocksdb::Status const status = db->Resume();
      MutexLock const done(recovery_mutex);
      recovery_status = status;
      if (status.ok()) *failed = false;
      recovering = false;
      recovered.notify_all();
    });
  }
  for (int waits = 0; recovering && waits < kResumeWaits; ++waits) {
    (void)recovered.wait_for(recovery_mutex, kResumeWait);
  }
  if (recovering)
    return Unexpected(ErrorCode::StorageFull, "the store is recovering from an error");
  if (!recovery_status.ok()) {
    return failure(recovery_status, "the store does not write since an error");
  }
  return {};
}

Result<void> Database::write(rocksdb::WriteBatch& batch, bool sync) {
  if (*failed) {
    if (Result<void> const back = resume(); !back) return back;
  }
  rocksdb::WriteOptions how;
  how.sync = sync;
  rocksdb::Status const status = db->Write(how, &batch);
  if (status.ok()) return {};
  *failed = true;
  return failure(status, "writing to the store");
}

std::uint64_t Database::used_bytes() const {
  std::uint64_t total = 0;
  for (rocksdb::ColumnFamilyHandle* handle : families) {
    for (std::string const& property :
         {rocksdb::DB::Properties::kLiveSstFilesSize, rocksdb::DB::Properties::kLiveBlobFileSize,
          rocksdb::DB::Properties::kCurSizeAllMemTables}) {
      std::uint64_t value = 0;
      if (db->GetIntProperty(handle, property, &value)) total += value;
    }
  }
  return total;
}

Result<void> Database::compact() {
  rocksdb::CompactRangeOptions how;
  how.exclusive_manual_compaction = false;
  how.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  how.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
  how.blob_garbage_collection_age_cutoff = 1.0;
  how.canceled = &stopping;
  for (rocksdb::ColumnFamilyHandle* handle : families) {
    rocksdb::Status const status = db->CompactRange(how, handle, nullptr, nullptr);
    if (!status.ok()) return failure(status, "compacting the store");
  }
  return {};
}

}  // namespace holdfast::store
