#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "merkle/node.h"

namespace holdfast::core {

/// "This is the log now": what a signature vouches for.
struct Head {
  std::uint64_t fork = 0;
  std::uint64_t length = 0;  ///< Blocks.
  Bytes signature{};         ///< As received; empty for an empty core or when a prologue vouches.
  friend bool operator==(Head const&, Head const&) = default;
};

struct BlockRange {
  std::uint64_t start = 0;
  std::uint64_t end = 0;  ///< One past the last block.
  friend bool operator==(BlockRange const&, BlockRange const&) = default;
};

struct BlockWrite {
  BlockIndex index{};
  Bytes value{};
};

/// One atomic change of one core: all of it becomes visible together, or none.
/// Applied in the order of the members.
struct Commit {
  CoreKey core{};
  std::optional<Bytes> manifest{};  ///< Verbatim bytes, the first time they are known.
  std::optional<std::uint64_t>
      truncate_to{};  ///< A fork: blocks from here on, and tree nodes that span past it, go.
                      ///< The store keeps them aside for its fork retention.
  std::optional<Head> head{};
  std::vector<merkle::Node> nodes{};
  std::vector<BlockWrite> blocks{};   ///< Each also sets the block's bit.
  std::vector<BlockRange> cleared{};  ///< Blocks to forget; tree and head stay.

  bool empty() const {
    return !manifest && !truncate_to && !head && nodes.empty() && blocks.empty() && cleared.empty();
  }
};

/// What opening a core reads: everything that is kept in memory while it is open.
struct CoreRecord {
  CoreKey key{};
  Bytes manifest{};  ///< Empty: compat core, or not yet known.
  Head head{};
  std::vector<BlockRange> blocks{};  ///< Blocks held: ascending, disjoint, not touching.
};

/// A consistent picture of one core at one moment; later commits do not show in it.
/// Thread-safety: one thread at a time.
class CoreView : public merkle::NodeReader {
 public:
  virtual Head const& head() const = 0;
  virtual Bytes const& manifest() const = 0;
  /// Returns: nothing if the block is not held. Errors: Storage.
  virtual Result<std::optional<Bytes>> block(BlockIndex index) const = 0;
};

/// Durable home of cores. Implemented by client-sdk/store (RocksDB, memory) and by the simulator's disk.
///
/// Rules:
///  1. commit() returns only after everything in it would survive a power cut. Why: what was announced must never be lost.
///  2. Commits given in one call become durable together (group commit); each is atomic by itself.
///  3. After an error nothing of the call is visible.
/// Thread-safety: every method may be called from any thread; commits of one core must not overlap.
class Store {
 public:
  virtual ~Store() = default;

  /// Returns: nothing if the core was never committed. Errors: Storage.
  virtual Result<std::optional<CoreRecord>> load(CoreKey const& key) = 0;
  /// Returns: a view; of an empty core if it was never committed. Errors: Storage.
  virtual Result<std::unique_ptr<CoreView>> view(CoreKey const& key) = 0;
  /// Errors: StorageFull (nothing was taken, reading goes on, try again later), Storage.
  virtual Result<void> commit(std::span<Commit const> commits) = 0;
  /// Every core that has a record, in key order.
  virtual Result<std::vector<CoreKey>> list() = 0;
  /// Deletes a core with all its data. Deleting what is not there is fine.
  virtual Result<void> erase(CoreKey const& key) = 0;

  /// Small named values of the program (projects, sequence numbers); durable on return.
  virtual Result<std::optional<Bytes>> get_meta(std::string_view name) = 0;
  virtual Result<void> put_meta(std::string_view name, ByteView value) = 0;
  virtual Result<void> erase_meta(std::string_view name) = 0;
  /// Names with this prefix, ascending.
  virtual Result<std::vector<std::string>> list_meta(std::string_view prefix) = 0;
};

}  // namespace holdfast::core
