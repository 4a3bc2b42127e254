#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/store.h"

/// Keys and values of the RocksDB store, byte for byte; docs/formats/store.md is the same in words.
/// Numbers in keys are big-endian, so that the order of keys is the order of numbers; in values
/// little-endian. Decoders take what a damaged disk gives them: anything unexpected is nothing,
/// never a crash.
namespace holdfast::store {

constexpr std::uint64_t kFormatVersion = 1;

/// Stands for a core key in front of its rows: 4 bytes instead of 32. Never used twice in one
/// store, so rows left behind by an erased core can never turn up in another one.
enum class CoreId : std::uint32_t {};

constexpr char kHeadPrefix = 'H';      ///< H core key: CoreRow.
constexpr char kManifestPrefix = 'M';  ///< M core key: manifest, verbatim.
constexpr char kMetaPrefix = 'U';      ///< U name: a value of the program.
constexpr char kRetiredPrefix = 'R';   ///< R time core fork: something lies in `retired`.
constexpr std::string_view kFormatKey = "Sformat";   ///< u64: kFormatVersion.
constexpr std::string_view kNextIdKey = "Snext-id";  ///< u64: the first CoreId not given out yet.

std::string prefixed(char prefix, std::string_view rest);
inline std::string head_key(CoreKey const& key) {
  return prefixed(kHeadPrefix, as_text(key.view()));
}
inline std::string manifest_key(CoreKey const& key) {
  return prefixed(kManifestPrefix, as_text(key.view()));
}
inline std::string meta_key(std::string_view name) { return prefixed(kMetaPrefix, name); }

/// Key of a tree node, a block or a page of bits: core id, then flat index, block or page number.
class RowKey {
 public:
  static constexpr std::size_t kSize = 12;
  RowKey(CoreId id, std::uint64_t index);
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
  /// Returns: the index part. Nothing unless `key` has the size of a row key.
  static std::optional<std::uint64_t> index_of(std::string_view key);

 private:
  std::array<char, kSize> bytes_;
};
/// The first possible key behind all rows of `id`.
std::string end_of_core(CoreId id);

/// What is kept of one cut: under which name its rows lie in `retired`.
struct Retirement {
  CoreId id;
  std::uint64_t fork = 0;     ///< The fork that was cut.
  std::uint64_t time_ms = 0;  ///< Unix time of the cut.
};
enum class RetiredKind : char { Head = 'H', Node = 'N', Block = 'B' };
std::string retired_prefix(Retirement const& retirement);
std::string retired_key(Retirement const& retirement, RetiredKind kind, std::uint64_t index);
std::string retired_index_key(Retirement const& retirement);
/// The first possible index key of a cut at or after `time_ms`.
std::string retired_index_bound(std::uint64_t time_ms);
std::optional<Retirement> decode_retired_index(std::string_view key);

struct CoreRow {
  CoreId id{};
  bool has_manifest = false;
  core::Head head;
};
std::string encode(CoreRow const& row);
std::optional<CoreRow> decode_core_row(std::string_view value);

constexpr std::size_t kNodeRowBytes = 40;
std::array<char, kNodeRowBytes> encode(merkle::Node const& node);
std::optional<merkle::Node> decode_node(TreeIndex index, std::string_view value);

std::string encode_u64(std::uint64_t value);
std::optional<std::uint64_t> decode_u64(std::string_view value);

/// The smallest key greater than every key that starts with `prefix`. Requires: not all bytes 0xff.
std::string prefix_end(std::string prefix);

}  // namespace holdfast::store
