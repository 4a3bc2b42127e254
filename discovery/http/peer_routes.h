#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "discovery/directory/directory.h"
#include "discovery/http/answers.h"
#include "discovery/http/rate_limiter.h"
#include "discovery/registry/record_store.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

inline constexpr std::size_t kPeerBodyBytesMax = 1'024;
inline constexpr std::uint64_t kPeerMinutesMax = 30;
inline constexpr std::uint64_t kPeerMinutesDefault = 5;

/// Body of POST /project/{key}/peers: {"port":49737,"minutes":5}.
struct PeerAnnouncement {
  std::uint16_t port = 0;
  std::uint64_t minutes = kPeerMinutesDefault;
};
/// Errors: Malformed (no JSON object, no port from 1 to 65535, minutes not from 1 to kPeerMinutesMax), LimitExceeded.
Result<PeerAnnouncement> peer_announcement_from_json(std::string_view text);

/// POST /project/{key}/peers: a client says that it can be reached for a key, for some minutes.
///
/// Rules:
///  1. The host is where the request is seen to come from, nothing else. Why: else anybody could send the others anywhere.
///  2. Only for keys that somebody hosts. Why: what is asked for is not stored, and least of all a pasted project key.
/// Thread-safety: handlers run on workers, several at once.
class PeerRoutes {
 public:
  /// All must outlive this.
  PeerRoutes(RecordStore& store, RateLimiter& limiter, std::function<Instant()> clock)
      : store_(store), limiter_(limiter), clock_(std::move(clock)) {}

  void add_routes(Router& router);

 private:
  Answer announce(HttpRequest const& request);

  RecordStore& store_;
  RateLimiter& limiter_;
  std::function<Instant()> clock_;
};

}  // namespace holdfast::discovery
