#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Where a Redis is, and how long we wait for it.
struct RedisOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::uint32_t database = 0;
  Duration timeout{250};  ///< For one operation: waiting for a connection, connecting and asking.
  std::size_t connections_max = 8;  ///< Callers beyond that wait, within the time-out.
  std::size_t reply_bytes_max = 16 * 1024 * 1024;
};

/// redis://HOST[:PORT][/DB], IPv6 in brackets.
/// Errors: Malformed (also for user info, which is not supported).
Result<RedisOptions> parse_redis_url(std::string_view url);

/// State in Redis: any number of instances share it. Every change is one Lua script, time is Redis
/// TIME. Does not connect until it is used, and connects again by itself. After a failure, calls
/// fail at once for a moment instead of queueing up behind a Redis that does not answer. Blocks the
/// calling thread for at most RedisOptions::timeout.
std::unique_ptr<RecordStore> make_redis_store(StoreOptions options, RedisOptions redis);

}  // namespace holdfast::discovery
