#pragma once

#include <cstddef>
#include <cstdint>
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
  bool on_loop =
      false;  ///< The handler never blocks: it is called on the event loop instead of a worker.
  /// Requests that are in no hurry: those of several connections may wait for each other up to EventLoop::kGatherTime, so
  /// that one worker does them in one go (Later). One that comes alone does not wait.
  bool gather = false;
};

/// Finds the handler of a request by comparing path segments; no regular expressions.
///
/// Rules:
///  1. A pattern is literal segments and {name}s: "/project/{key}/sync". A {name} matches one non-empty segment.
///     The first pattern that was added and matches wins.
///  2. HEAD is answered by the GET handler. OPTIONS is answered here: what is allowed, and CORS where a route has it.
///  3. A path that exists with other methods is 405 with Allow; any other path is 404. Both are problem documents.
///  4. The guard, if there is one, sees every request first and may answer instead. There is no fast path then.
///  5. A fast handler gives the same answers as the handler of its route, or leaves the request to it. The transport
///     writes the status line, Date, CORS fields, Content-Type, Content-Length and Connection for both alike.
///
/// Thread-safety: const after set-up; handle() may be called from many threads.
class Router {
 public:
  using Guard = std::function<std::optional<HttpResponse>(HttpRequest const&)>;

  /// Requires: `pattern` starts with '/'.
  void add(std::string method, std::string_view pattern, HttpHandler handler,
           RouteOptions options = {});
  /// Gives the route of this method and pattern a handler that is asked first, for plain requests only (FastRequest).
  /// Requires: the route was added with add() before, its method is GET, its pattern has exactly one
  /// {name}, and no route added before it matches the same paths.
  void add_fast(std::string_view method, std::string_view pattern, FastHandler handler);
  /// Puts `wrap(method, pattern, handler)` in place of every handler added so far; fast handlers stay as they are.
  using Wrap = std::function<HttpHandler(std::string const& method, std::string const& pattern,
                                         HttpHandler handler)>;
  void wrap_handlers(Wrap const& wrap);
  void set_guard(Guard guard) { guard_ = std::move(guard); }

  /// Fills request.params and calls the handler.
  HttpOutcome handle(HttpRequest& request) const;

  /// A route with a fast handler, cut at its {name}. Borrowed from the router.
  struct FastRoute {
    std::string before;  ///< "/project/"
    std::string after;   ///< "/sync"
    FastHandler handler;
    bool cors = false;
  };
  bool has_fast() const { return !fast_routes_.empty(); }
  /// Returns: the fast route of a GET for `path`, and what stands at its {name}; null if there is none.
  FastRoute const* find_fast(std::string_view path, std::string_view& param) const;

  /// Where the handler of this request runs. OnLoop also when nothing but the router answers.
  enum class Place : std::uint8_t { OnLoop, Worker, Gathered };
  Place place_of(std::string_view method, std::string_view path) const;

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
  HttpResponse server_options_answer() const;
  HttpResponse options_answer(std::vector<std::string_view> const& segments) const;
  std::string allowed(std::vector<std::string_view> const& segments) const;

  std::vector<Route> routes_;
  std::vector<FastRoute> fast_routes_;
  Guard guard_;
};

}  // namespace holdfast
