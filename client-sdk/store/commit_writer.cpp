#include "store/commit_writer.h"

#include <algorithm>

#include "store/tree_span.h"

namespace holdfast::store {

namespace {

/// A cut may be larger than memory: it is moved aside in pieces of this size.
constexpr std::size_t kRetireBytes = 4U << 20U;
/// Up to so many rows are deleted one by one. Why: a range tombstone costs every later read a
/// little.
constexpr std::uint64_t kSingleDeletesMax = 256;
/// Page-aligned and past every block number.
constexpr std::uint64_t kBlockEnd = ~(BitPage::kBits - 1);
/// No core is longer: lengths come from numbers that JavaScript can hold.
constexpr std::uint64_t kLengthMax = std::uint64_t{1} << 53U;
/// Depth of the root of a core with 2^53 blocks.
constexpr int kDepthMax = 53;

/// Copies rows into `retired`, a batch at a time.
class Retirer {
 public:
  Retirer(Database& database, Retirement const& retirement)
      : database_(database), retirement_(retirement) {
    // Named first, so that what an unfinished cut leaves behind is purged like the rest.
    (void)batch_.Put(database_.family(Database::Cores), retired_index_key(retirement_), "");
  }

  Result<void> put(RetiredKind kind, std::uint64_t index, rocksdb::Slice value) {
    (void)batch_.Put(database_.family(Database::Retired), retired_key(retirement_, kind, index),
                     value);
    return batch_.GetDataSize() < kRetireBytes ? Result<void>() : flush();
  }

  Result<void> put_rows(RetiredKind kind, Database::Family from, CoreId id, std::uint64_t start,
                        std::uint64_t end) {
    RowKey const stop(id, end);
    rocksdb::Slice const bound = slice(stop.view());
    rocksdb::ReadOptions read;
    read.iterate_upper_bound = &bound;
    read.fill_cache = false;
    std::unique_ptr<rocksdb::Iterator> const row(
        database_.db->NewIterator(read, database_.family(from)));
    for (row->Seek(slice(RowKey(id, start).view())); row->Valid(); row->Next()) {
      std::optional<std::uint64_t> const index = RowKey::index_of(text(row->key()));
      if (!index) return Unexpected(ErrorCode::Storage, "the key of a row is damaged");
      if (Result<void> const done = put(kind, *index, row->value()); !done) return done;
    }
    if (!row->status().ok()) return failure(row->status(), "reading what a fork cuts off");
    return {};
  }

  /// Not synced: the commit that makes the cut visible comes later in the same log, and is.
  Result<void> flush() {
    if (Result<void> room = database_.check_space(batch_.GetDataSize()); !room) return room;
    Result<void> done = database_.write(batch_, /*sync=*/false);
    batch_.Clear();
    return done;
  }

 private:
  Database& database_;
  Retirement const retirement_;
  rocksdb::WriteBatch batch_;
};

std::size_t batch_bytes(std::span<core::Commit const> commits) {
  std::size_t bytes = 0;
  for (core::Commit const& commit : commits) {
    bytes += commit.nodes.size() * 64 + commit.blocks.size() * 24;
    for (core::BlockWrite const& write : commit.blocks) bytes += write.value.size();
  }
  return bytes;
}

}  // namespace

CommitWriter::CommitWriter(Database& database, std::span<core::Commit const> commits)
    : database_(database),
      batch_(batch_bytes(commits)),
      bits_([&database](CoreId id, std::uint64_t page) { return database.bit_page(id, page); }),
      next_id_(database.next_id) {}

void CommitWriter::put(Database::Family to, std::string_view key, std::string_view value) {
  HOLDFAST_CHECK(batch_.Put(database_.family(to), slice(key), slice(value)).ok());
}

void CommitWriter::remove(Database::Family from, std::string_view key) {
  HOLDFAST_CHECK(batch_.Delete(database_.family(from), slice(key)).ok());
}

void CommitWriter::remove_range(Database::Family from, std::string_view start,
                                std::string_view end) {
  HOLDFAST_CHECK(batch_.DeleteRange(database_.family(from), slice(start), slice(end)).ok());
}

Result<CommitWriter::Touched*> CommitWriter::touch(CoreKey const& key) {
  if (auto const found = cores_.find(key); found != cores_.end()) return &found->second;
  Result<std::optional<CoreRow>> stored = database_.core_row({}, key);
  if (!stored) return Unexpected(stored.error());
  Touched core;
  core.stored = stored->has_value();
  if (core.stored) {
    core.row = std::move(**stored);
  } else {
    if (next_id_ >= 0xffffffff) return Unexpected(ErrorCode::StorageFull, "out of core ids");
    core.row.id = static_cast<CoreId>(next_id_++);
  }
  return &cores_.emplace(key, std::move(core)).first->second;
}

Result<void> CommitWriter::retire(Touched const& core, std::uint64_t length) {
  CoreId const id = core.row.id;
  std::uint64_t const end = core.cut_to.value_or(kLengthMax);
  if (length >= end) return {};
  Retirer retirer(database_, {id, core.row.head.fork, database_.options.clock_ms()});
  if (Result<void> const done = retirer.put(RetiredKind::Head, length, encode(core.row)); !done) {
    return done;
  }
  if (Result<void> const done =
          retirer.put_rows(RetiredKind::Block, Database::Blocks, id, length, end);
      !done) {
    return done;
  }
  if (Result<void> const done =
          retirer.put_rows(RetiredKind::Node, Database::Tree, id, length * 2, end * 2);
      !done) {
    return done;
  }
  for (int depth = 1; depth <= kDepthMax; ++depth) {
    TreeIndex const node = ancestor_of(length, depth);
    if (node.value() >= length * 2) continue;
    rocksdb::PinnableSlice value;
    Result<bool> const found =
        database_.get({}, Database::Tree, RowKey(id, node.value()).view(), value);
    if (!found) return Unexpected(found.error());
    if (!*found) continue;
    if (Result<void> const done = retirer.put(RetiredKind::Node, node.value(), slice(text(value)));
        !done) {
      return done;
    }
  }
  return retirer.flush();
}

Result<void> CommitWriter::truncate(Touched& core, std::uint64_t length) {
  HOLDFAST_CHECK(length <= kLengthMax);
  if (core.stored) {
    if (Result<void> const done = retire(core, length); !done) return done;
  }
  core.cut_to = std::min(length, core.cut_to.value_or(length));
  CoreId const id = core.row.id;
  remove_range(Database::Blocks, RowKey(id, length).view(), end_of_core(id));
  remove_range(Database::Tree, RowKey(id, length * 2).view(), end_of_core(id));
  // The nodes that start before the cut and reach past it are the ancestors of the first block
  // behind it.
  for (int depth = 1; depth <= kDepthMax; ++depth) {
    TreeIndex const node = ancestor_of(length, depth);
    if (node.value() < length * 2) remove(Database::Tree, RowKey(id, node.value()).view());
  }
  return bits_.clear(id, length, kBlockEnd);
}

Result<void> CommitWriter::put_blocks(CoreId id, std::vector<core::BlockWrite> const& blocks) {
  for (core::BlockWrite const& write : blocks) {
    put(Database::Blocks, RowKey(id, write.index.value()).view(), as_text(write.value));
    if (Result<void> const done = bits_.set(id, write.index.value()); !done) return done;
  }
  return {};
}

Result<void> CommitWriter::clear_blocks(CoreId id, core::BlockRange range) {
  range.end = std::min(range.end, kBlockEnd);
  if (range.start >= range.end) return {};
  if (range.end - range.start <= kSingleDeletesMax) {
    for (std::uint64_t block = range.start; block < range.end; ++block) {
      remove(Database::Blocks, RowKey(id, block).view());
    }
  } else {
    remove_range(Database::Blocks, RowKey(id, range.start).view(), RowKey(id, range.end).view());
  }
  return bits_.clear(id, range.start, range.end);
}

Result<void> CommitWriter::add(core::Commit const& commit) {
  Result<Touched*> const touched = touch(commit.core);
  if (!touched) return Unexpected(touched.error());
  Touched& core = **touched;
  if (commit.manifest) {
    put(Database::Cores, manifest_key(commit.core), as_text(*commit.manifest));
    core.row.has_manifest = true;
  }
  if (commit.truncate_to) {
    if (Result<void> const done = truncate(core, *commit.truncate_to); !done) return done;
  }
  if (commit.head) core.row.head = *commit.head;
  for (merkle::Node const& node : commit.nodes) {
    std::array<char, kNodeRowBytes> const value = encode(node);
    put(Database::Tree, RowKey(core.row.id, node.index.value()).view(),
        {value.data(), value.size()});
  }
  if (Result<void> const done = put_blocks(core.row.id, commit.blocks); !done) return done;
  for (core::BlockRange const& range : commit.cleared) {
    if (Result<void> const done = clear_blocks(core.row.id, range); !done) return done;
  }
  return {};
}

Result<void> CommitWriter::finish() {
  for (BitChanges::PageRange const& range : bits_.dropped()) {
    remove_range(Database::Bits, RowKey(range.id, range.start).view(),
                 RowKey(range.id, range.end).view());
  }
  for (auto const& [key, page] : bits_.pages()) {
    RowKey const row(key.first, key.second);
    if (page.empty()) {
      remove(Database::Bits, row.view());
    } else {
      put(Database::Bits, row.view(), page.encode());
    }
  }
  for (auto const& [key, core] : cores_) put(Database::Cores, head_key(key), encode(core.row));
  if (next_id_ != database_.next_id) put(Database::Cores, kNextIdKey, encode_u64(next_id_));
  Result<void> const written = database_.write(batch_);
  if (written) database_.next_id = next_id_;
  return written;
}

}  // namespace holdfast::store
