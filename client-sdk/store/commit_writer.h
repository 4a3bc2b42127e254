#pragma once

#include <map>
#include <optional>

#include "store/database.h"

namespace holdfast::store {

/// Turns the commits of one call into one write batch. What add() meets is as if the commits before
/// it had already been written. Memory: the batch. What a cut moves aside is written ahead in
/// pieces of kRetireBytes, invisible to all.
class CommitWriter {
 public:
  /// `commits`: all that will be added, to size the batch once.
  CommitWriter(Database& database, std::span<core::Commit const> commits);

  /// Errors: Storage (reading what is there failed), StorageFull (no room to move a cut aside).
  Result<void> add(core::Commit const& commit);
  /// Makes everything added durable and visible. Call once, last.
  Result<void> finish();

 private:
  /// A core as the commits so far leave it.
  struct Touched {
    CoreRow row;
    bool stored = false;  ///< It was there before this call.
    std::optional<std::uint64_t> cut_to;
  };

  Result<Touched*> touch(CoreKey const& key);
  Result<void> truncate(Touched& core, std::uint64_t length);
  Result<void> retire(Touched const& core, std::uint64_t length);
  Result<void> put_blocks(CoreId id, std::vector<core::BlockWrite> const& blocks);
  Result<void> clear_blocks(CoreId id, core::BlockRange range);
  void put(Database::Family to, std::string_view key, std::string_view value);
  void remove(Database::Family from, std::string_view key);
  void remove_range(Database::Family from, std::string_view start, std::string_view end);

  Database& database_;
  rocksdb::WriteBatch batch_;
  std::map<CoreKey, Touched> cores_;
  BitChanges bits_;
  std::uint64_t next_id_;
};

}  // namespace holdfast::store
