#include "store/rocksdb_store.h"

#include <utility>

#include <rocksdb/snapshot.h>

#include "store/commit_writer.h"
#include "store/database.h"

namespace holdfast::store {

namespace {

/// After so many bytes written the space used is measured again.
constexpr std::uint64_t kMeasureBytes = 1U << 20U;

std::uint64_t bytes_of(core::Commit const& commit) {
  std::uint64_t bytes = commit.nodes.size() * (RowKey::kSize + kNodeRowBytes);
  for (core::BlockWrite const& write : commit.blocks) bytes += RowKey::kSize + write.value.size();
  return bytes;
}

bool deletes(core::Commit const& commit) {
  return commit.truncate_to.has_value() || !commit.cleared.empty();
}

/// Keys in `family` that start with `prefix`, without it, ascending.
Result<std::vector<std::string>> keys_with(Database const& database, std::string const& prefix) {
  std::string const end = prefix_end(prefix);
  rocksdb::Slice const bound(end);
  rocksdb::ReadOptions read;
  read.iterate_upper_bound = &bound;
  std::unique_ptr<rocksdb::Iterator> const row(
      database.db->NewIterator(read, database.family(Database::Cores)));
  std::vector<std::string> keys;
  for (row->Seek(prefix); row->Valid(); row->Next()) {
    keys.emplace_back(text(row->key()).substr(1));
  }
  if (!row->status().ok()) return failure(row->status(), "listing the store");
  return keys;
}

Result<std::vector<core::BlockRange>> held_blocks(Database const& database,
                                                  rocksdb::ReadOptions read, CoreId id) {
  std::string const end = end_of_core(id);
  rocksdb::Slice const bound(end);
  read.iterate_upper_bound = &bound;
  std::unique_ptr<rocksdb::Iterator> const row(
      database.db->NewIterator(read, database.family(Database::Bits)));
  std::vector<core::BlockRange> ranges;
  for (row->Seek(slice(RowKey(id, 0).view())); row->Valid(); row->Next()) {
    std::optional<std::uint64_t> const page = RowKey::index_of(text(row->key()));
    std::optional<BitPage> const bits = BitPage::decode(text(row->value()));
    if (!page || !bits) return Unexpected(ErrorCode::Storage, "a page of the block map is damaged");
    bits->append_to(ranges, *page * BitPage::kBits);
  }
  if (!row->status().ok()) return failure(row->status(), "reading the block map");
  return ranges;
}

}  // namespace

RocksDbStore::RocksDbStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}
RocksDbStore::~RocksDbStore() = default;

Result<std::unique_ptr<RocksDbStore>> RocksDbStore::open(Options options) {
  Result<std::shared_ptr<Database>> database = Database::open(std::move(options));
  if (!database) return Unexpected(database.error());
  return std::unique_ptr<RocksDbStore>(new RocksDbStore(std::move(*database)));
}

Result<std::optional<core::CoreRecord>> RocksDbStore::load(CoreKey const& key) {
  rocksdb::ManagedSnapshot snapshot(database_->db.get());
  rocksdb::ReadOptions read;
  read.snapshot = snapshot.snapshot();
  Result<std::optional<CoreRow>> row = database_->core_row(read, key);
  if (!row) return Unexpected(row.error());
  if (!row->has_value()) return std::optional<core::CoreRecord>();
  core::CoreRecord record{key, {}, std::move((*row)->head), {}};
  if ((*row)->has_manifest) {
    Result<Bytes> manifest = database_->manifest(read, key);
    if (!manifest) return Unexpected(manifest.error());
    record.manifest = std::move(*manifest);
  }
  Result<std::vector<core::BlockRange>> blocks = held_blocks(*database_, read, (*row)->id);
  if (!blocks) return Unexpected(blocks.error());
  record.blocks = std::move(*blocks);
  return std::optional(std::move(record));
}

Result<std::unique_ptr<core::CoreView>> RocksDbStore::view(CoreKey const& key) {
  rocksdb::ReadOptions read;
  read.snapshot = database_->db->GetSnapshot();
  Result<std::optional<CoreRow>> row = database_->core_row(read, key);
  Result<Bytes> manifest = Bytes();
  if (row && row->has_value() && (*row)->has_manifest) manifest = database_->manifest(read, key);
  if (!row || !manifest) {
    database_->db->ReleaseSnapshot(read.snapshot);
    return Unexpected(row ? manifest.error() : row.error());
  }
  return make_view(database_, read.snapshot, std::move(*row), std::move(*manifest));
}

Result<void> RocksDbStore::check_budget(std::uint64_t adds) {
  if (adds == 0) return {};
  if (Result<void> const room = database_->check_space(adds); !room) return room;
  std::uint64_t const budget = database_->options.budget_bytes;
  if (budget == 0) return {};
  bool const stale = written_since_ > kMeasureBytes;
  if (stale || measured_bytes_ + written_since_ + adds > budget) {
    measured_bytes_ = database_->used_bytes();
    written_since_ = 0;
  }
  if (measured_bytes_ + written_since_ + adds <= budget) return {};
  if (has_garbage_ && database_->options.reclaim_in_background) reclaim();
  return Unexpected(ErrorCode::StorageFull, "the disk budget is spent");
}

bool RocksDbStore::is_full() {
  MutexLock const lock(commit_mutex_);
  if (refused_bytes_ > 0 && check_budget(refused_bytes_)) refused_bytes_ = 0;
  return refused_bytes_ > 0;
}

void RocksDbStore::reclaim() {
  if (database_->compacting.exchange(true)) return;
  if (database_->compaction.joinable()) database_->compaction.join();
  has_garbage_ = false;
  Database* const database = database_.get();  // Joins the thread before it goes.
  database->compaction = std::thread([database] {
    (void)database->compact();
    database->compacting = false;
  });
}

Result<void> RocksDbStore::commit(std::span<core::Commit const> commits) {
  if (commits.empty()) return {};
  std::uint64_t adds = 0;
  bool garbage = false;
  for (core::Commit const& commit : commits) {
    adds += bytes_of(commit);
    garbage = garbage || deletes(commit);
  }
  MutexLock const lock(commit_mutex_);
  if (Result<void> const room = check_budget(adds); !room) {
    refused_bytes_ = adds;
    return room;
  }
  CommitWriter writer(*database_, commits);
  for (core::Commit const& commit : commits) {
    if (Result<void> const added = writer.add(commit); !added) return added;
  }
  if (Result<void> const written = writer.finish(); !written) return written;
  if (written_since_ < ~adds) written_since_ += adds;
  has_garbage_ = has_garbage_ || garbage;
  return {};
}

Result<std::vector<CoreKey>> RocksDbStore::list() {
  Result<std::vector<std::string>> const names = keys_with(*database_, std::string(1, kHeadPrefix));
  if (!names) return Unexpected(names.error());
  std::vector<CoreKey> keys;
  keys.reserve(names->size());
  for (std::string const& name : *names) {
    std::optional<CoreKey> const key = CoreKey::from(as_bytes(name));
    if (!key) return Unexpected(ErrorCode::Storage, "the key of a core is damaged");
    keys.push_back(*key);
  }
  return keys;
}

Result<void> RocksDbStore::erase(CoreKey const& key) {
  MutexLock const lock(commit_mutex_);
  Result<std::optional<CoreRow>> const row = database_->core_row({}, key);
  if (!row) return Unexpected(row.error());
  if (!row->has_value()) return {};
  CoreId const id = (*row)->id;
  RowKey const start(id, 0);
  std::string const end = end_of_core(id);
  rocksdb::WriteBatch batch;
  (void)batch.Delete(head_key(key));
  (void)batch.Delete(manifest_key(key));
  for (Database::Family const family :
       {Database::Tree, Database::Blocks, Database::Bits, Database::Retired}) {
    (void)batch.DeleteRange(database_->family(family), slice(start.view().substr(0, 4)), end);
  }
  has_garbage_ = true;
  return database_->write(batch);
}

Result<std::optional<Bytes>> RocksDbStore::get_meta(std::string_view name) {
  rocksdb::PinnableSlice value;
  Result<bool> const found = database_->get({}, Database::Cores, meta_key(name), value);
  if (!found) return Unexpected(found.error());
  if (!*found) return std::optional<Bytes>();
  return std::optional(to_bytes(as_bytes(text(value))));
}

Result<void> RocksDbStore::put_meta(std::string_view name, ByteView value) {
  rocksdb::WriteBatch batch;
  (void)batch.Put(meta_key(name), slice(value));
  return database_->write(batch);
}

Result<void> RocksDbStore::erase_meta(std::string_view name) {
  rocksdb::WriteBatch batch;
  (void)batch.Delete(meta_key(name));
  return database_->write(batch);
}

Result<std::vector<std::string>> RocksDbStore::list_meta(std::string_view prefix) {
  return keys_with(*database_, meta_key(prefix));
}

Result<std::size_t> RocksDbStore::purge_retired(std::uint64_t before_ms) {
  MutexLock const lock(commit_mutex_);
  Result<std::vector<std::string>> const cuts =
      keys_with(*database_, std::string(1, kRetiredPrefix));
  if (!cuts) return Unexpected(cuts.error());
  rocksdb::WriteBatch batch;
  std::size_t count = 0;
  for (std::string const& name : *cuts) {
    std::optional<Retirement> const cut = decode_retired_index(prefixed(kRetiredPrefix, name));
    if (!cut) return Unexpected(ErrorCode::Storage, "the name of a retired cut is damaged");
    if (cut->time_ms >= before_ms) break;  // They lie in the order of time.
    std::string const start = retired_prefix(*cut);
    (void)batch.DeleteRange(database_->family(Database::Retired), start, prefix_end(start));
    (void)batch.Delete(retired_index_key(*cut));
    ++count;
  }
  if (count == 0) return count;
  if (Result<void> const written = database_->write(batch); !written) {
    return Unexpected(written.error());
  }
  has_garbage_ = true;
  return count;
}

Result<std::size_t> RocksDbStore::retired_count() {
  Result<std::vector<std::string>> const cuts =
      keys_with(*database_, std::string(1, kRetiredPrefix));
  if (!cuts) return Unexpected(cuts.error());
  return cuts->size();
}

std::uint64_t RocksDbStore::used_bytes() const { return database_->used_bytes(); }

Result<void> RocksDbStore::compact() { return database_->compact(); }

}  // namespace holdfast::store
