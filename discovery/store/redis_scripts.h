#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::discovery {

/// One Lua script per state change, over the keys it is given, which are in one slot
/// (docs/formats/redis.md). Every script answers [now, status, …], judged by the clock of the
/// Redis that runs it, or a status alone.
enum class Script : std::uint8_t {
  Put,
  Renew,
  SetHealth,
  Extend,
  Forget,
  Spend,
  Change,
  Unindex,
  AddLine,
  RemoveLine,
  Prune,
  Claim,
  Assign,
  Assignments,
  AddPeer,
  Peers,
  Enter,
  Nonce,
  PutShared,
  TakeShared,
  Beat
};
inline constexpr std::size_t kScriptCount = 21;

/// Returns: the whole text. Static.
std::string_view script_text(Script script);
/// Returns: what EVALSHA calls it, the SHA-1 of its text in hex. Static.
std::string const& script_name(Script script);

}  // namespace holdfast::discovery
