#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/ip_network.h"
#include "base/time.h"

namespace holdfast {

/// Header fields in the order they came; names compare without case.
class HeaderList {
 public:
  void add(std::string name, std::string value);
  /// Replaces every field of that name.
  void set(std::string name, std::string value);
  /// Returns: the first field's value, or nothing. Borrowed until the list changes.
  std::optional<std::string_view> get(std::string_view name) const;
  std::size_t count(std::string_view name) const;
  std::vector<std::pair<std::string, std::string>> const& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// Where a request came from, as the socket says, or a proxy that the operator trusts; nothing a client wrote can change
/// it.
struct PeerAddress {
  std::string ip;  ///< A literal; IPv4 in IPv6 is written as IPv4.
  std::uint16_t port = 0;
  /// `ip` once more, as bytes. The transport always sets it; nothing when `ip` is not a literal.
  std::optional<IpAddress> address = std::nullopt;
};

/// Why a handler is being called.
enum class Call : std::uint8_t {
  First,     ///< The request has just come in.
  Event,     ///< It waited, and its event was notified.
  Deadline,  ///< It waited, and its deadline passed: it must answer now.
};

/// One HTTP request, complete and within the limits of its route.
struct HttpRequest {
  std::string method;  ///< HEAD arrives as GET; the body of the answer is then left out.
  std::string target;  ///< As sent: path and query, percent signs and all.
  std::string path;    ///< Percent-decoded, without the query.
  std::map<std::string, std::string> params;      ///< What stood at the {names} of the route.
  std::multimap<std::string, std::string> query;  ///< Percent-decoded.
  HeaderList headers{};
  std::string body{};
  PeerAddress peer;
  Call call = Call::First;

  std::optional<std::string> query_value(std::string const& name) const;
};

struct HttpResponse {
  int status = 200;
  HeaderList headers{};
  std::string body{};
  std::string content_type = "application/json";  ///< Sent only with a body.
};

/// "Ask me again when `event` is notified, or `at_most` from now, whichever is first." The connection keeps
/// neither a thread nor a worker meanwhile. A handler called with Call::Deadline must not answer with this. Waiting again
/// after an event does not hold the request longer than the first `at_most` said.
struct WaitFor {
  std::string event;
  Duration at_most;
};

/// "Ask the others first, then call `finish` for my answer." On a route with RouteOptions::gather a handler is called for
/// all requests that were gathered before the first `finish` is, so that what they need can be got for all of them at
/// once. `finish` is called once, on the thread of its handler, when the request is gone: it keeps what it needs.
struct Later {
  std::function<HttpResponse()> finish;
};

using HttpOutcome = std::variant<HttpResponse, WaitFor, Later>;

/// `change(response)` now or, for Later, when it is there. Does nothing to WaitFor.
HttpOutcome with_response(HttpOutcome outcome, std::function<void(HttpResponse&)> change);

/// A plain function; called on any worker thread, several at once. On a route with RouteOptions::on_loop it is called
/// on the event loops, several at once, and must not block.
using HttpHandler = std::function<HttpOutcome(HttpRequest const&)>;

/// A header field as it stood in the request. Borrowed.
struct FieldView {
  std::string_view name;
  std::string_view value;
};

/// A plain GET on its way past the HTTP library (Router::add_fast): no body, HTTP/1.1, a target without percent signs
/// and plus signs. All views are borrowed until the handler returns.
struct FastRequest {
  std::string_view param;  ///< What stands at the pattern's only {name}; not empty.
  std::string_view query;  ///< Behind the '?', as sent; empty without one.
  PeerAddress const& peer;
  std::span<FieldView const> fields;

  /// Returns: the first field of that name (compared without case), or nothing.
  std::optional<std::string_view> header(std::string_view name) const;
};

/// What the fast handler fills in. It is used again for the next request: the strings keep their memory, so append.
struct FastResponse {
  int status = 200;
  std::string
      headers;  ///< Whole lines: "ETag: \"x\"\r\n". Without those that the transport writes (see Router).
  std::string body;
  std::string_view content_type = "application/json";  ///< Must stay valid; sent only with a body.
};

enum class FastOutcome : std::uint8_t {
  Answered,        ///< `response` is the answer.
  UseGeneralPath,  ///< Ask the route's HttpHandler; `response` is ignored.
};

/// Called on the event loops, several at once; must not block. The response is empty (200) when it is called.
using FastHandler = std::function<FastOutcome(FastRequest const&, FastResponse& response)>;

}  // namespace holdfast
