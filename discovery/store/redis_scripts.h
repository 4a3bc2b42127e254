#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::discovery {

/// One Lua script per operation: a change happens whole or not at all, judged by the clock of Redis.
///
/// Keys (ids, keys and proofs are raw bytes, times Unix milliseconds):
///   holdfast:epoch         made by the first registration after the store was empty
///   holdfast:leases        sorted set: id -> end of its lease
///   holdfast:ids           sorted set, all scores 0: id (for listing in order)
///   holdfast:rep:ID        hash: record, seq, region, host, state, load
///   holdfast:keys:ID       set of the keys it listed
///   holdfast:hosts:KEY     hash: id -> proof (keyholder || signature || expiry in decimal), or empty
///   holdfast:nonce-secret  32 bytes
///   holdfast:nonce:NONCE   a used nonce; ends by itself
///
/// Every script answers [epoch, now, status, …]; the first argument of each is the time to forget after.
/// An entry is [id, record, host, state, load, keys, lease left in ms].
enum class Script : std::uint8_t {
  Put,
  Renew,
  Change,
  Deregister,
  Hosts,
  List,
  Find,
  Nonce,
  Spend
};
inline constexpr std::size_t kScriptCount = 9;

/// Returns: the whole text. Static.
std::string_view script_text(Script script);

}  // namespace holdfast::discovery
