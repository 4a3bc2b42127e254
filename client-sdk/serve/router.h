#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/message.h"

namespace holdfast {

struct RouteOptions {
  std::size_t body_bytes_max = 0;  ///< A longer body is refused with 413 before it is read.
  bool cors = false;               ///< Any web page may call this: Access-Control-Allow-Origin: *.
};

/// Finds the handler of a request by comparing path segments; no regular expressions.
///
/// Rules:
///  1. A pattern is literal segments and {name}s: "/project/{key}/sync". A {name} matches one non-empty segment.
///     The first pattern that was added and matches wins.
///  2. HEAD is answered by the GET handler. OPTIONS is answered here: what is allowed, and CORS where a route has it.
///  3. A path that exists with other methods is 405 with Allow; any other path is 404. Both are problem documents.
///  4. The guard, if there is one, sees every request first and may answer instead.
///
/// Thread-safety: const after set-up; handle() may be called from many threads.
class Router {
 public:
  using Guard = std::function<std::optional<HttpResponse>(HttpRequest const&)>;

  /// Requires: `pattern` starts with '/'.
  void add(std::string method, std::string_view pattern, HttpHandler handler,
           RouteOptions options = {});
  void set_guard(Guard guard) { guard_ = std::move(guard); }

  /// Fills request.params and calls the handler.
  HttpOutcome handle(HttpRequest& request) const;

  /// What the route of this request takes as body; 0 for a route that does not exist.
  std::size_t body_bytes_max(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    HttpHandler handler;
    RouteOptions options;
  };
  Route const* find(std::string_view method, std::vector<std::string_view> const& segments) const;
  HttpResponse options_answer(std::vector<std::string_view> const& segments) const;
  std::string allowed(std::vector<std::string_view> const& segments) const;

  std::vector<Route> routes_;
  Guard guard_;
};

}  // namespace holdfast
