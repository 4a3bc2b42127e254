#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "serve/message.h"

namespace holdfast {

/// An RFC 9457 problem document. `type` is a short name such as "unknown-lease", stable for programs; `title` says the
/// same to people; `detail` is about this occurrence and never echoes secrets or keys that were asked for.
struct Problem {
  int status = 500;
  std::string type{};
  std::string title{};
  std::string detail{};
  std::optional<std::chrono::seconds> retry_after = std::nullopt;  ///< Also sent as Retry-After.
};

/// The answer that carries `problem`, as application/problem+json, not to be stored by caches.
HttpResponse to_response(Problem const& problem);

/// Problems that the transport itself answers with.
Problem bad_request(std::string detail);  ///< 400 malformed-request
Problem no_such_route();                  ///< 404 not-found
Problem internal_error();                 ///< 500 internal
Problem unavailable(std::string detail, std::chrono::seconds retry_after);  ///< 503 unavailable

}  // namespace holdfast
