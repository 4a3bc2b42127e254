#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/store/breaker.h"
#include "discovery/store/redis_reply.h"
#include "discovery/store/redis_resolver.h"
#include "registration/record.h"

namespace holdfast::discovery {

using registration::HostPort;

/// The words of one command.
struct RedisCommand {
  std::vector<std::string> words;
  std::size_t now_at = 0;  ///< Not 0: the pool puts what it takes for the server's time there.
};

/// One connection: commands go out whole, their replies come back in order, all before a deadline.
/// Blocks; not thread-safe. After any error it is broken and must be dropped, because a late reply
/// would be taken for the answer to the next command.
class RedisConnection {
 public:
  /// Errors: Unavailable.
  static Result<std::unique_ptr<RedisConnection>> open(HostPort const& server,
                                                       RedisResolver& resolver,
                                                       std::size_t reply_bytes_max,
                                                       Deadline deadline);
  ~RedisConnection();
  RedisConnection(RedisConnection const&) = delete;
  RedisConnection& operator=(RedisConnection const&) = delete;

  /// Returns: one reply for each command, errors of Redis included.
  /// Errors: Unavailable.
  Result<std::vector<RedisReply>> call(std::vector<RedisCommand> const& commands,
                                       Deadline deadline);
  Result<RedisReply> call_one(std::vector<std::string> words, Deadline deadline);

  /// For a connection that is told things: sends without waiting, reads what is there.
  Result<void> send(std::vector<std::string> const& words, Deadline deadline);
  /// Returns: the next reply, or nothing if there is none yet; never waits.
  /// Errors: Unavailable.
  Result<std::optional<RedisReply>> poll();
  int descriptor() const { return socket_; }

  /// False if the other side closed it, or sent what nobody asked for.
  bool is_quiet() const;

 private:
  RedisConnection(int socket, std::size_t reply_bytes_max);
  Result<RedisReply> read(Deadline deadline);

  int const socket_;
  RedisReplyReader reader_;
};

}  // namespace holdfast::discovery
