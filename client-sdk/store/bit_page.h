#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/key_format.h"

namespace holdfast::store {

/// Which of 4,096 consecutive blocks are held. A page without a bit has no row.
class BitPage {
 public:
  static constexpr std::uint64_t kBits = 4096;

  /// Requires: start <= end <= kBits.
  void set(std::uint64_t start, std::uint64_t end);
  void clear(std::uint64_t start, std::uint64_t end);
  bool empty() const;
  /// Appends the held ranges, moved up by `offset`, to ascending `ranges`; merges with the last one
  /// if they touch.
  void append_to(std::vector<core::BlockRange>& ranges, std::uint64_t offset) const;

  /// Five bytes for a single run of bits, which is what a core that fills from the front has; else
  /// 513.
  std::string encode() const;
  /// Returns: nothing for bytes that encode() never makes.
  static std::optional<BitPage> decode(std::string_view value);
  friend bool operator==(BitPage const&, BitPage const&) = default;

 private:
  std::optional<core::BlockRange> single_run() const;

  std::array<std::uint64_t, kBits / 64> words_{};
};

/// The bits that one group of commits changes, over what is stored. Nothing is written by it: the
/// caller writes dropped() first and then pages(). Complexity: a range costs its two border pages,
/// however long it is. Memory: one page per page touched. Thread-safety: none.
class BitChanges {
 public:
  using Load = std::function<Result<BitPage>(
      CoreId, std::uint64_t page)>;  ///< An empty page if there is no row.
  struct PageRange {
    CoreId id;
    std::uint64_t start;
    std::uint64_t end;  ///< One past the last page.
  };

  explicit BitChanges(Load load) : load_(std::move(load)) {}

  /// Errors: those of Load.
  Result<void> set(CoreId id, std::uint64_t block);
  /// Requires: start < end.
  Result<void> clear(CoreId id, std::uint64_t start, std::uint64_t end);

  std::vector<PageRange> const& dropped() const { return dropped_; }
  std::map<std::pair<CoreId, std::uint64_t>, BitPage> const& pages() const { return pages_; }

 private:
  Result<BitPage*> page(CoreId id, std::uint64_t number);
  void drop(CoreId id, std::uint64_t start, std::uint64_t end);

  Load load_;
  std::map<std::pair<CoreId, std::uint64_t>, BitPage> pages_;
  std::vector<PageRange> dropped_;
};

}  // namespace holdfast::store
