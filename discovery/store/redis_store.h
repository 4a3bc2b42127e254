#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Where Redis is, and how long we wait for it.
struct RedisOptions {
  enum class Kind : std::uint8_t {
    Plain,     ///< One server.
    Sentinel,  ///< `servers` are sentinels, which know where `master` is.
    Cluster,   ///< `servers` are some nodes of it; they know the rest.
  };
  Kind kind = Kind::Plain;
  std::vector<registration::HostPort> servers = {{"127.0.0.1", 6379}};
  std::string master;          ///< Sentinel: its name there.
  std::uint32_t database = 0;  ///< Cluster: 0.
  Duration timeout{250};       ///< For one call: waiting for a connection, connecting and asking.
  std::size_t connections_max =
      8;  ///< To each server; callers beyond that wait, within the time-out.
  std::size_t waiters_max = 256;  ///< At each server; callers beyond that fail at once.
  std::size_t reply_bytes_max = 16 * 1024 * 1024;
  Duration ping_every{400};       ///< On connections that are told things.
  Duration upkeep_every{500};     ///< Beat, sentinels, map of the cluster.
  Duration outage_min{1'000};     ///< Shorter ones extend no lease.
  Duration forget_every{60'000};  ///< How often forgotten replicators are looked for.
  Duration sweep_every{900'000};  ///< How often one of the instances looks for left-over lines.
};

/// redis://HOST[:PORT][/DB], redis-sentinel://HOST[:PORT],…/MASTER[/DB],
/// redis-cluster://HOST[:PORT],…; IPv6 in brackets; the ports default to 6379 and 26379.
/// Errors: Malformed (also for user info, which is not supported).
Result<RedisOptions> parse_redis_url(std::string_view url);

/// State in Redis: any number of instances share it. Every change of one slot is one Lua script,
/// time is Redis TIME. Does not connect until it is used, and connects again by itself. After some
/// failures, calls fail at once for a moment instead of queueing up behind a Redis that does not
/// answer. Blocks the calling thread for at most RedisOptions::timeout.
/// Threads: one for upkeep from the start, and one that listens from watch() on.
std::unique_ptr<RecordStore> make_redis_store(StoreOptions options, RedisOptions redis);

}  // namespace holdfast::discovery
