#include <algorithm>
#include <chrono>
#include <system_error>

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/table.h>

#include "store/database.h"

namespace holdfast::store {

namespace {

// In the order of Database::Family. RocksDB insists on the name of the first.
constexpr std::array<char const*, Database::kFamilies> kFamilyNames = {"default", "tree", "blocks",
                                                                       "bits", "retired"};
/// Values from here on go to blob files, which are not rewritten by every compaction.
constexpr std::uint64_t kBlobBytesMin = 4096;

/// How Options::memory_bytes is divided.
struct Memory {
  std::shared_ptr<rocksdb::Cache> cache;
  std::uint64_t write_buffers;

  explicit Memory(std::uint64_t bytes)
      : cache(rocksdb::NewLRUCache(bytes / 2)), write_buffers(bytes / 2) {}
};

/// Leaves recovery to Database::write. Why: RocksDB's own polls every five seconds, refuses
/// Resume() meanwhile, and asks the file system for free space where only a write can tell (quotas,
/// budgets).
class ErrorWatch final : public rocksdb::EventListener {
 public:
  explicit ErrorWatch(std::shared_ptr<std::atomic<bool>> failed) : failed_(std::move(failed)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status*) override {
    *failed_ = true;
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  std::shared_ptr<std::atomic<bool>> const failed_;
};

rocksdb::DBOptions database_options(RocksDbStore::Options const& options, Memory const& memory) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  if (options.env) db.env = options.env.get();
  db.db_write_buffer_size = memory.write_buffers;
  // Bounds what a start has to replay, and the disk space of logs.
  db.max_total_wal_size = memory.write_buffers * 2;
  db.max_open_files = 512;
  db.max_background_jobs = 2;
  db.bytes_per_sync = 1U << 20U;
  db.keep_log_file_num = 2;
  db.max_log_file_size = 1U << 20U;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.avoid_unnecessary_blocking_io = true;
  return db;
}

rocksdb::ColumnFamilyOptions family_options(Database::Family which, Memory const& memory) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = memory.cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;

  rocksdb::ColumnFamilyOptions family;
  // Hashes and, mostly, ciphertext do not get smaller.
  family.compression = rocksdb::kNoCompression;
  bool const large = which == Database::Blocks;
  family.write_buffer_size =
      std::max<std::uint64_t>(memory.write_buffers / (large ? 2 : 8), 1U << 16U);
  family.level_compaction_dynamic_level_bytes = true;
  if (which == Database::Blocks || which == Database::Retired) {
    family.enable_blob_files = true;
    family.min_blob_size = kBlobBytesMin;
    family.blob_file_size = 64ULL << 20U;
    family.blob_cache = memory.cache;
    family.enable_blob_garbage_collection = true;
    family.blob_garbage_collection_age_cutoff = 0.5;
    family.blob_garbage_collection_force_threshold = 0.5;
  }
  if (which == Database::Tree) {
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  }
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

std::uint64_t system_clock_ms() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Unexpected storage(std::filesystem::path const& directory, std::string const& what) {
  return {ErrorCode::Storage, "data directory " + directory.string() + " " + what};
}

/// Refuses a directory whose column families this program does not know.
Result<void> check_families(rocksdb::DBOptions const& db, std::filesystem::path const& directory) {
  std::vector<std::string> names;
  // Fails when there is no database yet, and again at opening if it is damaged.
  if (!rocksdb::DB::ListColumnFamilies(db, directory.string(), &names).ok()) return {};
  for (std::string const& name : names) {
    if (std::ranges::find(kFamilyNames, name) == kFamilyNames.end()) {
      return storage(directory, "was made by a newer version (it has a table " + name + ")");
    }
  }
  return {};
}

Unexpected open_failure(rocksdb::Status const& status, std::filesystem::path const& directory) {
  std::string const words = status.ToString();
  if (status.IsIOError() && words.find("LOCK") != std::string::npos) {
    return {ErrorCode::Conflict, "data directory " + directory.string() +
                                     " is in use by another process, or twice by this one"};
  }
  if (status.IsCorruption()) return storage(directory, "is damaged: " + words);
  return {failure(status, "").error.code,
          "data directory " + directory.string() + " cannot be opened: " + words};
}

/// Writes the version into a new store; refuses another one.
Result<void> check_format(Database& database) {
  std::filesystem::path const& directory = database.options.directory;
  rocksdb::PinnableSlice value;
  Result<bool> const found = database.get({}, Database::Cores, kFormatKey, value);
  if (!found) return Unexpected(found.error());
  if (!*found) {
    std::unique_ptr<rocksdb::Iterator> const any(
        database.db->NewIterator({}, database.family(Database::Cores)));
    any->SeekToFirst();
    if (any->Valid()) return storage(directory, "is damaged: it does not say its format");
    rocksdb::WriteBatch batch;
    (void)batch.Put(slice(kFormatKey), encode_u64(kFormatVersion));
    (void)batch.Put(slice(kNextIdKey), encode_u64(0));
    return database.write(batch);
  }
  std::optional<std::uint64_t> const version = decode_u64(text(value));
  if (!version) return storage(directory, "is damaged: it does not say its format");
  if (*version > kFormatVersion) {
    return storage(directory, "has format " + std::to_string(*version) +
                                  " of a newer version; this one knows " +
                                  std::to_string(kFormatVersion));
  }
  return {};
}

Result<void> read_next_id(Database& database) {
  rocksdb::PinnableSlice value;
  Result<bool> const found = database.get({}, Database::Cores, kNextIdKey, value);
  if (!found) return Unexpected(found.error());
  std::optional<std::uint64_t> const next = *found ? decode_u64(text(value)) : std::nullopt;
  if (!next)
    return storage(database.options.directory, "is damaged: it has lost count of its cores");
  database.next_id = *next;
  return {};
}

}  // namespace

Result<std::shared_ptr<Database>> Database::open(RocksDbStore::Options options) {
  if (!options.clock_ms) options.clock_ms = system_clock_ms;
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  if (error) return storage(options.directory, "cannot be made: " + error.message());

  Memory const memory(options.memory_bytes);
  auto database = std::make_shared<Database>();
  rocksdb::DBOptions settings = database_options(options, memory);
  settings.listeners.push_back(std::make_shared<ErrorWatch>(database->failed));
  if (Result<void> const known = check_families(settings, options.directory); !known) {
    return Unexpected(known.error());
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    descriptors.emplace_back(kFamilyNames[i], family_options(static_cast<Family>(i), memory));
  }
  database->options = std::move(options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  rocksdb::Status const status =
      rocksdb::DB::Open(settings, database->options.directory.string(), descriptors, &handles, &db);
  if (!status.ok()) return open_failure(status, database->options.directory);
  database->db.reset(db);
  std::ranges::copy(handles, database->families.begin());
  if (Result<void> const ours = check_format(*database); !ours) return Unexpected(ours.error());
  if (Result<void> const ours = read_next_id(*database); !ours) return Unexpected(ours.error());
  return database;
}

}  // namespace holdfast::store
