#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "discovery/store/redis_reply.h"
#include "discovery/store/redis_store.h"

namespace holdfast::discovery {

using Deadline = std::chrono::steady_clock::time_point;

/// One connection: a command goes out whole, one reply comes back, all before a deadline.
/// Blocks; not thread-safe. After any error it is broken and must be dropped, because a late reply would
/// be taken for the answer to the next command.
class RedisConnection {
 public:
  /// Connects and selects the database. A name is resolved first, by the system's resolver, which keeps
  /// to its own time-out: give an address where that matters.
  /// Errors: Unavailable.
  static Result<std::unique_ptr<RedisConnection>> open(RedisOptions const& options,
                                                       Deadline deadline);
  ~RedisConnection();
  RedisConnection(RedisConnection const&) = delete;
  RedisConnection& operator=(RedisConnection const&) = delete;

  /// Returns: any reply, errors of Redis included.
  /// Errors: Unavailable.
  Result<RedisReply> call(std::vector<std::string> const& command, Deadline deadline);

  /// False if the other side closed it, or sent what nobody asked for.
  bool is_quiet() const;

 private:
  RedisConnection(int socket, RedisOptions const& options);

  int const socket_;
  RedisReplyReader reader_;
};

/// Connections that are used in turn.
///
/// Rules:
///  1. At most connections_max are open; who comes too late waits, within its own deadline.
///  2. After a failure calls fail at once for kPause. Why: workers must not queue up, each for a whole
///     time-out, behind a Redis that does not answer.
/// Thread-safe.
class RedisPool {
 public:
  static constexpr std::chrono::milliseconds kPause{100};

  explicit RedisPool(RedisOptions options) : options_(std::move(options)) {}

  /// Errors: Unavailable.
  Result<RedisReply> call(std::vector<std::string> const& command, Deadline deadline);
  Deadline deadline() const { return std::chrono::steady_clock::now() + options_.timeout; }

 private:
  Result<std::unique_ptr<RedisConnection>> take(Deadline deadline) HOLDFAST_EXCLUDES(mutex_);
  void give_back(std::unique_ptr<RedisConnection> connection, bool is_broken)
      HOLDFAST_EXCLUDES(mutex_);

  RedisOptions const options_;
  Mutex mutex_;
  CondVar returned_;
  std::vector<std::unique_ptr<RedisConnection>> idle_ HOLDFAST_GUARDED_BY(mutex_);
  std::size_t open_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  Deadline paused_until_ HOLDFAST_GUARDED_BY(mutex_){};
};

}  // namespace holdfast::discovery
