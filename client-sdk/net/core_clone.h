#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "core/store.h"
#include "net/engine_host.h"
#include "net/follower.h"

namespace holdfast::net {

struct CoreCloneOptions {
  std::filesystem::path directory;  ///< Made if missing; holds one core.
  FollowOptions follow;             ///< follow.project: the core.
  FollowListener listener;          ///< May be empty.
  EngineHostOptions host;
};

struct CloneProgress {
  std::uint64_t length = 0;             ///< Blocks of the log as verified.
  std::uint64_t contiguous_length = 0;  ///< Held from the start without a gap, durable.
  std::uint64_t blocks_held = 0;
  std::uint64_t bytes_received = 0;            ///< Of block values, by this process.
  std::optional<std::uint64_t> remote_length;  ///< What the connected node says.

  /// Everything the connected node knew of is here. False while there is no connection.
  bool complete() const {
    return remote_length && length > 0 && length >= *remote_length && contiguous_length >= length;
  }
};

/// A core that is being copied from the network into a directory, for as long as this lives.
/// What is counted as held is durable; a copy that was interrupted goes on where it was.
/// Thread-safety: interrupt() from any thread, the rest from one.
class CoreClone {
 public:
  /// Errors: Conflict (the directory is in use, or holds another core), Storage, those of
  /// Follower::start.
  static Result<std::unique_ptr<CoreClone>> open(CoreCloneOptions options);
  ~CoreClone();
  CoreClone(CoreClone const&) = delete;
  CoreClone& operator=(CoreClone const&) = delete;

  CloneProgress progress();
  /// Waits until something became durable, or interrupt(), or `at_most` passed.
  void wait(Duration at_most);
  /// Lets wait() return at once, now and later.
  void interrupt();

  core::Store& store();

 private:
  struct State;
  explicit CoreClone(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Opens the copy in a directory for reading. Errors: NotFound (no copy there), those of
/// RocksDbStore::open.
struct OpenedClone {
  std::unique_ptr<core::Store> store;
  CoreKey key;
};
Result<OpenedClone> open_clone(std::filesystem::path const& directory);

}  // namespace holdfast::net
