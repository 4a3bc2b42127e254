#include "store/database.h"

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>

namespace holdfast::store {

Unexpected failure(rocksdb::Status const& status, std::string_view doing) {
  HOLDFAST_CHECK(!status.ok());
  ErrorCode const code = status.IsNoSpace() ? ErrorCode::StorageFull : ErrorCode::Storage;
  return {code, std::string(doing) + ": " + status.ToString()};
}

Database::~Database() {
  stopping = true;
  if (compaction.joinable()) compaction.join();
  if (!db) return;
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

Result<void> Database::write(rocksdb::WriteBatch& batch, bool sync) {
  if (failed) {
    // Resume() flushes what is in memory and starts a new log, so that nothing torn lies before
    // what follows.
    if (rocksdb::Status const status = db->Resume(); !status.ok()) {
      return failure(status, "the store does not write since an error");
    }
    failed = false;
  }
  rocksdb::WriteOptions how;
  how.sync = sync;
  rocksdb::Status const status = db->Write(how, &batch);
  if (status.ok()) return {};
  failed = true;
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
