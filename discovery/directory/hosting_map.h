#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "crypto/keys.h"
#include "discovery/directory/replicator_table.h"
#include "registration/keyholder_proof.h"

namespace holdfast::discovery {

/// One line of a hosting set, the replicator by its row in the table.
struct RowLine {
  std::uint32_t row = 0;
  std::uint64_t generation = 0;
  std::optional<registration::KeyholderProof> proof;
  friend bool operator==(RowLine const&, RowLine const&) = default;
};

/// The lines of one key as they lie in a HostingMap. Borrowed until the map changes.
class HostingView {
 public:
  HostingView() = default;
  explicit HostingView(std::uint64_t const* words) : words_(words) {}

  bool is_there() const { return words_ != nullptr; }
  std::size_t size() const { return words_ == nullptr ? 0 : words_[4] & 0xffff; }
  std::uint32_t row(std::size_t line) const { return static_cast<std::uint32_t>(at(line)[2]); }
  std::uint64_t generation(std::size_t line) const { return at(line)[0]; }
  bool has_proof(std::size_t line) const { return at(line)[2] >> 48 != 0xffff; }
  std::uint64_t proof_expires(std::size_t line) const { return at(line)[1]; }
  /// Require: has_proof(line). 32 and 64 bytes.
  ByteView keyholder(std::size_t line) const;
  ByteView signature(std::size_t line) const;
  RowLine line(std::size_t line) const;

 private:
  friend class HostingMap;
  std::uint64_t const* at(std::size_t line) const { return words_ + 5 + 3 * line; }
  std::uint64_t const* keyholders() const { return at(size()); }
  std::uint64_t const* signatures() const {
    return keyholders() + 4 * ((words_[4] >> 16) & 0xffff);
  }
  std::size_t word_count() const;

  std::uint64_t const* words_ = nullptr;
};

/// Hosting sets of many keys in few bytes: open addressing, one block of memory per key, the keyholder written once.
///
/// Rules:
///  1. Never more than bytes_max, slots and what a pool rounds blocks up to counted. What makes room is what was not asked for since
///     the hand of the clock passed last (CLOCK, a cheap LRU).
///  2. Slots are found by a hash keyed with `seed`. Why: whoever registers keys must not be able to pile them up.
///  3. A slot keeps as much of the hash as its place depends on (of fewer than 2^32). Why: to move slots, no block is read.
/// Not thread-safe. Cost: O(1); a full table grows at once.
class HostingMap {
 public:
  /// `memory`: for slots and blocks; outlives this.
  HostingMap(std::size_t bytes_max, std::uint64_t seed, std::pmr::memory_resource& memory);
  ~HostingMap() { clear(); }
  HostingMap(HostingMap const&) = delete;
  HostingMap& operator=(HostingMap const&) = delete;

  /// Returns: nothing (is_there() false) or the lines; counts as asked for. The first line's row of `table` is fetched
  /// while the lines are.
  HostingView find(DiscoveryKey const& key, ReplicatorTable const& table);
  /// Replaces what is there. Requires: at most 60,000 lines. A set larger than bytes_max is not kept.
  void put(DiscoveryKey const& key, std::vector<RowLine> const& lines);
  bool erase(DiscoveryKey const& key);
  void clear();

  std::size_t size() const { return count_; }
  std::size_t bytes() const { return bytes_ + slots_.size() * sizeof(Slot); }

 private:
  static constexpr std::size_t kKeyWords = 4;
  using KeyWords = std::array<std::uint64_t, kKeyWords>;
  static KeyWords words_of(DiscoveryKey const& key);
  struct Slot {
    std::uint64_t* words = nullptr;
    std::uint32_t tag = 0;        ///< The low half of the hash.
    std::uint32_t first_row = 0;  ///< Of the lines.
  };
  std::uint64_t hash_of(std::uint64_t const* key_words) const;
  std::size_t position_of(DiscoveryKey const& key) const;
  void prefetch(std::uint64_t hash, ReplicatorTable const& table) const;
  std::size_t position_of(KeyWords const& key, std::uint64_t hash) const;
  std::size_t home_of(Slot const& slot) const { return slot.tag & (slots_.size() - 1); }
  void remove_at(std::size_t at);
  void free_block(std::uint64_t* words);
  void evict_one();
  void grow();

  std::size_t const bytes_max_;
  std::uint64_t const seed_;
  std::pmr::memory_resource& memory_;
  std::pmr::vector<Slot> slots_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;  ///< Of the blocks.
  std::size_t hand_ = 0;
};

}  // namespace holdfast::discovery
