#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "discovery/directory/prefetch.h"
#include "discovery/directory/replicator_row.h"
#include "discovery/registry/placement.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Replicators by what stands against them; for metrics.
struct ReplicatorCounts {
  std::size_t listed = 0;  ///< Given in answers.
  std::size_t draining = 0;
  std::size_t untested = 0;
  std::size_t failed = 0;  ///< Self-test failed.
  std::size_t out = 0;     ///< Taken out by probes.
  std::size_t expired = 0;
  bool is_panic = false;
};

/// All replicators the store told of, each under a small number (its row) that hosting sets refer to.
///
/// Rules:
///  1. Rows never move and are read without a lock. A row keeps its number as long as compact() is not called, also when
///     its replicator is gone and when it was never seen: hosting sets may name who is not in the table (yet).
///  2. Texts that were replaced are kept until take_retired(): whoever calls it sees to it that nobody reads them any more.
///  3. is_busy has hysteresis: on above 3/2 of the mean load and half full, off below 5/4 of it.
/// Thread-safe. Memory: bounded by kRowsMax and what records may hold.
class ReplicatorTable {
 public:
  static constexpr std::size_t kChunkRows = 256;
  static constexpr std::size_t kChunks = 1'024;
  static constexpr std::size_t kRowsMax = kChunkRows * kChunks;
  /// Who registers a long record must not make look-ups fetch all of it.
  static constexpr std::size_t kTextAheadBytesMax = 1'024;

  /// `memory`: for the texts; outlives this.
  explicit ReplicatorTable(std::pmr::memory_resource& memory) : memory_(memory) {}
  ~ReplicatorTable();
  ReplicatorTable(ReplicatorTable const&) = delete;
  ReplicatorTable& operator=(ReplicatorTable const&) = delete;

  /// Requires: `row` came from row_of().
  Row const& at(std::uint32_t row) const {
    return chunks_[row / kChunkRows].load(std::memory_order_acquire)[row % kChunkRows];
  }
  /// Has the memory of a row fetched. `row` may be any number.
  void prefetch(std::uint32_t row) const {
    if (row >= kRowsMax) return;
    Row const* const chunk = chunks_[row / kChunkRows].load(std::memory_order_relaxed);
    if (chunk != nullptr) __builtin_prefetch(chunk + row % kChunkRows);
  }
  /// The same for its text, as far as an ordinary one goes; that reads the row. Requires: as at().
  void prefetch_text(std::uint32_t row) const {
    Row const& named = at(row);
    std::size_t const bytes = named.text_bytes.load(std::memory_order_relaxed);
    prefetch_bytes(named.text.load(std::memory_order_relaxed), std::min(bytes, kTextAheadBytesMax));
  }
  /// Its row, made if there is none. Returns: nothing when the table is full (compact() may help).
  std::optional<std::uint32_t> row_of(PublicKey const& id);

  /// Replaces everything; who is not in `all` is gone.
  void reset(std::vector<ReplicatorEntry> const& all, std::int64_t now_ms);
  void put(ReplicatorEntry const& entry, std::int64_t now_ms);
  void renew(PublicKey const& id, registration::ReplicatorState state,
             registration::LoadFigures const& load, std::int64_t lease_end_ms);
  void remove(PublicKey const& id);

  /// Frees the rows that nobody bears. Requires: nobody keeps row numbers from before.
  void compact();
  bool wants_compaction() const;
  std::vector<RowTextPtr> take_retired();

  /// Recomputes mean load, busy marks and whether there is panic.
  ReplicatorCounts survey(Judgement const& judgement);
  bool is_panic() const { return is_panic_.load(std::memory_order_relaxed); }

  /// Replicators that a key could be placed on, in order of id; `standing` says who takes on keys now. Not older than
  /// 200 ms, and Now: younger than the last change but of load and lease. Recent: may miss changes of the last 50 ms.
  /// Why: while a fleet registers, there is a change for every caller, and a list of 10,000 takes milliseconds to make.
  /// Never null.
  std::shared_ptr<std::vector<Candidate> const> candidates(Judgement const& judgement,
                                                           Freshness freshness);

  std::size_t size() const;

 private:
  struct Named {
    std::uint32_t row = 0;
    std::uint64_t projects = 0;
    registration::LoadFigures load;
  };
  Row& row_at(std::uint32_t row) HOLDFAST_REQUIRES(mutex_) {
    return chunks_[row / kChunkRows].load(std::memory_order_relaxed)[row % kChunkRows];
  }
  Named* name(PublicKey const& id) HOLDFAST_REQUIRES(mutex_);
  void write(ReplicatorEntry const& entry, std::int64_t now_ms) HOLDFAST_REQUIRES(mutex_);
  void write_load(Named& named, registration::LoadFigures const& load) HOLDFAST_REQUIRES(mutex_);
  void set_text(Row& row, RowTextPtr text) HOLDFAST_REQUIRES(mutex_);
  static void set_flag(Row& row, Row::Flag flag, bool on);

  std::pmr::memory_resource& memory_;
  std::array<std::atomic<Row*>, kChunks> chunks_{};
  std::atomic<bool> is_panic_{false};

  mutable Mutex mutex_;
  std::unordered_map<PublicKey, Named> names_ HOLDFAST_GUARDED_BY(mutex_);
  std::vector<std::uint32_t> free_rows_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint32_t rows_made_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::size_t borne_ HOLDFAST_GUARDED_BY(mutex_) = 0;  ///< Rows with a text.
  std::vector<RowTextPtr> retired_ HOLDFAST_GUARDED_BY(mutex_);
  std::shared_ptr<std::vector<Candidate> const> candidates_ HOLDFAST_GUARDED_BY(mutex_);
  std::int64_t candidates_made_ms_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  bool are_candidates_old_ HOLDFAST_GUARDED_BY(mutex_) = true;
};

}  // namespace holdfast::discovery
