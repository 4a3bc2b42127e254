#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "discovery/registry/lookup.h"
#include "serve/message.h"

namespace holdfast::discovery {

inline constexpr Duration kLookupWaitDefault{10'000};
inline constexpr std::uint64_t kLookupWaitMaxS = 60;

/// GET or POST /project/{key}/sync, read.
struct LookupRequest {
  LookupQuery query;
  bool has_region = false;             ///< One was given, even an empty one: none is guessed.
  bool is_guessed = false;             ///< The answer is for this client's address only.
  Duration wait = kLookupWaitDefault;  ///< How long it may be held while somebody takes the key on.
  bool with_trace = false;
  bool with_peers = false;
};

/// Reads the query of a request, all of it but the key. Parameters that are not known mean nothing.
/// Returns: what is wrong with it, in words, or nothing.
std::optional<std::string> read_lookup_query(HttpRequest const& request, LookupRequest& out);

/// Reads a plain request: the key and a query without percent signs.
/// Returns: nothing for all that is not quite ordinary (errors, parameters given twice, trace and peers, keys in z-base-32);
/// what it does return is what the other way to read it says.
std::optional<LookupRequest> read_plain_lookup(std::string_view key, std::string_view query);

}  // namespace holdfast::discovery
