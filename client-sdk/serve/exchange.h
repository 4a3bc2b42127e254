#pragma once

#include <optional>
#include <string>
#include <variant>

#include "serve/message.h"
#include "serve/proxies.h"
#include "serve/request_collector.h"
#include "serve/router.h"

namespace holdfast {

/// The bytes to send for one request.
struct ResponseBytes {
  std::string bytes;
  int status = 0;
  bool close = false;   ///< The connection ends after them.
  bool failed = false;  ///< The handler threw: 500 was answered and must be counted.
};

/// Runs one collected request through cpp-httplib (parsing, query, response) and the router. Holds the program's only
/// catch-all: whatever a handler throws becomes a 500 problem document.
/// `peer`: who is at the other end of the socket; `proxies` says whether that may name the client.
/// `close_after`: whether the server wants to end the connection after this answer.
/// Returns: the answer, or what the handler waits for; then call again with the same bytes and the reason in `call`.
std::variant<ResponseBytes, WaitFor> run_exchange(Router const& router,
                                                  RequestCollector::Collected const& collected,
                                                  PeerAddress const& peer,
                                                  ProxyPolicy const& proxies, Call call,
                                                  bool close_after);

/// The answer to what the collector refused, or to a client that fell silent in the middle (408).
ResponseBytes refuse_exchange(int status, std::string const& detail);

/// The answer to a complete request that overload keeps from its handler: 503 with Retry-After, the connection stays.
ResponseBytes overloaded_exchange(bool close_after);

}  // namespace holdfast
