#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

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

/// What every request of one server goes through.
struct ExchangePlace {
  Router const& router;
  ProxyPolicy const& proxies;  ///< Whether the other end of the socket may name the client.
  bool close_after = false;    ///< The server wants to end connections after this answer.
};

/// One collected request, borrowed.
struct ExchangeRequest {
  RequestCollector::Collected const& collected;
  PeerAddress const& peer;  ///< Who is at the other end of the socket.
  Call call = Call::First;
};

/// What to send, or what the handler waits for; then run it again with the reason in `call`.
using ExchangeOutcome = std::variant<ResponseBytes, WaitFor>;

/// Runs collected requests through cpp-httplib (parsing, query) and the router: the handlers first, one after the other,
/// then what they left for later. Holds the program's only catch-all: whatever a handler throws becomes a 500 problem
/// document.
/// Returns: as many outcomes, in the same order.
std::vector<ExchangeOutcome> run_exchanges(ExchangePlace const& place,
                                           std::span<ExchangeRequest const> requests);
ExchangeOutcome run_exchange(ExchangePlace const& place, ExchangeRequest const& request);

/// The answer to what the collector refused, or to a client that fell silent in the middle (408).
ResponseBytes refuse_exchange(int status, std::string const& detail);

/// The answer to a complete request that overload keeps from its handler: 503 with Retry-After, the connection stays.
ResponseBytes overloaded_exchange(bool close_after);

}  // namespace holdfast
