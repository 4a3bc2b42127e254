#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "discovery/store/breaker.h"
#include "discovery/store/redis_connection.h"
#include "discovery/store/redis_store.h"

namespace holdfast::discovery {

/// Connections to one server, used in turn.
///
/// Rules:
///  1. At most connections_max are open; who comes too late waits, within its own deadline, and at
///     most waiters_max do: beyond that a call fails at once.
///  2. A breaker stands in front: see there.
///  3. A new connection loads all scripts and learns the server's time before anything else; with
///     `must_be_master` it also asks ROLE, and is refused by a replica.
/// Thread-safe.
class RedisPool {
 public:
  RedisPool(HostPort server, RedisOptions const& options, RedisResolver& resolver,
            bool must_be_master);

  /// One round trip. Commands that failed because the server lost its scripts are sent once more.
  /// Errors: Unavailable.
  Result<std::vector<RedisReply>> call(std::vector<RedisCommand> commands, Deadline deadline);
  /// The server moved, or is none of ours any more: no connection of before is used again.
  void drop_connections() HOLDFAST_EXCLUDES(mutex_);

  HostPort const& server() const { return server_; }
  /// What the server's clock shows, in Unix ms, as far as is known; 0 before the first connection.
  std::uint64_t estimated_unix_ms() const;
  void learn_time(std::uint64_t unix_ms);

 private:
  struct Lent {
    std::unique_ptr<RedisConnection> connection;
    std::uint64_t epoch = 0;
  };
  Result<Lent> take(Deadline deadline) HOLDFAST_EXCLUDES(mutex_);
  std::unique_ptr<RedisConnection> take_idle() HOLDFAST_REQUIRES(mutex_);
  Result<Lent> await_turn(Deadline deadline) HOLDFAST_REQUIRES(mutex_);
  void give_back(Lent lent, bool is_broken) HOLDFAST_EXCLUDES(mutex_);
  Result<std::unique_ptr<RedisConnection>> open(Deadline deadline);
  Result<void> greet(RedisConnection& connection, Deadline deadline);
  Result<std::vector<RedisReply>> ask(RedisConnection& connection,
                                      std::vector<RedisCommand>& commands, Deadline deadline);

  HostPort const server_;
  RedisOptions const options_;
  RedisResolver& resolver_;
  bool const must_be_master_;
  std::atomic<std::int64_t> clock_offset_ms_{0};  ///< Server's Unix time less our steady clock.
  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<RedisConnection>> idle_ HOLDFAST_GUARDED_BY(mutex_);
  std::size_t open_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::size_t waiters_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::uint64_t epoch_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  Breaker breaker_ HOLDFAST_GUARDED_BY(mutex_);
  SeededRng rng_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::discovery
