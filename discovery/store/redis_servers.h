#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/store/redis_connection.h"
#include "discovery/store/redis_pool.h"

namespace holdfast::discovery {

/// A command, and the slot its keys are in.
struct RoutedCommand {
  std::uint16_t slot = 0;
  RedisCommand command;
};

/// The servers that hold the data: one, or the masters of a cluster.
///
/// Rules:
///  1. A command is sent to the server that holds its slot. When that server says that it is
///     another one's (MOVED, ASK, TRYAGAIN, READONLY), the command was not executed: it is sent on,
///     at most kRedirectsMax times and within the deadline.
///  2. A command that may have been executed is never sent twice.
///  3. version() changes whenever other servers may hold the data than before.
/// Thread-safe.
class RedisServers {
 public:
  static constexpr int kRedirectsMax = 5;

  virtual ~RedisServers() = default;

  /// Returns: one reply for each command, in order. Commands for one server are one round trip.
  /// Errors: Unavailable, when one of the servers did not answer; others may have.
  virtual Result<std::vector<RedisReply>> call(std::vector<RoutedCommand> const& commands,
                                               Deadline deadline) = 0;
  /// Asks one of masters().
  virtual Result<std::vector<RedisReply>> call_at(HostPort const& server,
                                                  std::vector<RedisCommand> const& commands,
                                                  Deadline deadline) = 0;
  /// Where the data is now. Errors: Unavailable.
  virtual Result<std::vector<HostPort>> masters(Deadline deadline) = 0;
  /// Who holds a slot, as far as is known.
  virtual HostPort owner_of(std::uint16_t slot) = 0;
  virtual std::uint64_t version() = 0;
  /// Asks sentinels or cluster whether something has changed. Called regularly.
  virtual void look_around(Deadline deadline) = 0;
  /// All slots are on one server, so that one round trip reaches all.
  virtual bool is_one() const = 0;
  /// A script said what the clock of the slot's server shows.
  virtual void learn_time(std::uint16_t slot, std::uint64_t unix_ms) = 0;
  virtual std::uint64_t estimated_unix_ms(std::uint16_t slot) = 0;
};

std::unique_ptr<RedisServers> make_redis_servers(RedisOptions const& options,
                                                 RedisResolver& resolver);
/// Of RedisOptions::Kind::Cluster.
std::unique_ptr<RedisServers> make_redis_cluster(RedisOptions const& options,
                                                 RedisResolver& resolver);

/// "host port", for maps.
std::string name_of(HostPort const& server);

}  // namespace holdfast::discovery
