#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

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

/// Where a request came from, as the socket says; nothing the client wrote can change it.
struct PeerAddress {
  std::string ip;  ///< A literal; IPv4 in IPv6 is written as IPv4.
  std::uint16_t port = 0;
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
/// neither a thread nor a worker meanwhile. A handler called with Call::Deadline must not answer with this.
struct WaitFor {
  std::string event;
  Duration at_most;
};

using HttpOutcome = std::variant<HttpResponse, WaitFor>;

/// A plain function; called on any worker thread, several at once.
using HttpHandler = std::function<HttpOutcome(HttpRequest const&)>;

}  // namespace holdfast
