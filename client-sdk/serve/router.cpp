#include "serve/router.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"
#include "serve/answer_writer.h"
#include "serve/problem.h"

namespace holdfast {

namespace {

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (!path.starts_with('/')) return segments;
  path.remove_prefix(1);
  while (true) {
    std::size_t const slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool is_param(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool matches(std::vector<std::string> const& pattern,
             std::vector<std::string_view> const& segments) {
  return std::equal(pattern.begin(), pattern.end(), segments.begin(), segments.end(),
                    [](std::string const& expected, std::string_view given) {
                      return is_param(expected) ? !given.empty() : expected == given;
                    });
}

}  // namespace

void Router::add(std::string method, std::string_view pattern, HttpHandler handler,
                 RouteOptions options) {
  HOLDFAST_CHECK(pattern.starts_with('/'));
  std::vector<std::string_view> const parts = split(pattern);
  routes_.push_back({std::move(method), {parts.begin(), parts.end()}, std::move(handler), options});
}

Router::Route const* Router::find(std::string_view method,
                                  std::vector<std::string_view> const& segments) const {
  auto const found = std::find_if(routes_.begin(), routes_.end(), [&](Route const& route) {
    return route.method == method && matches(route.segments, segments);
  });
  return found == routes_.end() ? nullptr : &*found;
}

std::string Router::allowed(std::vector<std::string_view> const& segments) const {
  std::set<std::string> methods;
  for (Route const& route : routes_) {
    if (!matches(route.segments, segments)) continue;
    methods.insert(route.method);
    if (route.method == "GET") methods.insert("HEAD");
  }
  std::string text;
  for (std::string const& method : methods) text += method + ", ";
  return text.empty() ? text : text + "OPTIONS";
}

HttpResponse Router::options_answer(std::vector<std::string_view> const& segments) const {
  std::string const methods = allowed(segments);
  if (methods.empty()) return to_response(no_such_route());
  HttpResponse response;
  response.status = 204;
  response.headers.add("Allow", methods);
  bool const cors = std::any_of(routes_.begin(), routes_.end(), [&](Route const& route) {
    return route.options.cors && matches(route.segments, segments);
  });
  if (!cors) return response;
  add_cors_fields(response.headers);
  response.headers.add("Access-Control-Allow-Methods", methods);
  response.headers.add("Access-Control-Allow-Headers", "Content-Type, Accept");
  response.headers.add("Access-Control-Max-Age", "86400");
  return response;
}

/// Of the whole server (RFC 9110, 9.3.7).
HttpResponse Router::server_options_answer() const {
  std::set<std::string> methods = {"OPTIONS"};
  for (Route const& route : routes_) methods.insert(route.method);
  if (methods.count("GET") > 0) methods.insert("HEAD");
  std::string text;
  for (std::string const& method : methods) text += (text.empty() ? "" : ", ") + method;
  HttpResponse response;
  response.status = 204;
  response.headers.add("Allow", text);
  return response;
}

HttpOutcome Router::handle(HttpRequest& request) const {
  if (guard_) {
    if (std::optional<HttpResponse> refusal = guard_(request); refusal) return *std::move(refusal);
  }
  std::vector<std::string_view> const segments = split(request.path);
  if (request.method == "OPTIONS")
    return request.path == "*" ? server_options_answer() : options_answer(segments);
  Route const* const route = find(request.method, segments);
  if (route == nullptr) {
    std::string const methods = allowed(segments);
    if (methods.empty()) return to_response(no_such_route());
    HttpResponse response = to_response({.status = 405,
                                         .type = "method-not-allowed",
                                         .title = "This path does not take this method",
                                         .detail = "Allowed: " + methods});
    response.headers.add("Allow", methods);
    return response;
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    std::string const& name = route->segments[i];
    if (is_param(name)) request.params[name.substr(1, name.size() - 2)] = std::string(segments[i]);
  }
  HttpOutcome outcome = route->handler(request);
  if (!route->options.cors) return outcome;
  return with_response(std::move(outcome),
                       [](HttpResponse& response) { add_cors_fields(response.headers); });
}

void Router::wrap_handlers(Wrap const& wrap) {
  for (Route& route : routes_) {
    std::string pattern;
    for (std::string const& segment : route.segments) pattern += '/' + segment;
    route.handler = wrap(route.method, pattern, std::move(route.handler));
  }
}

void Router::add_fast(std::string_view method, std::string_view pattern, FastHandler handler) {
  std::vector<std::string_view> const parts = split(pattern);
  auto const route = std::find_if(routes_.begin(), routes_.end(), [&](Route const& each) {
    return each.method == method &&
           std::equal(each.segments.begin(), each.segments.end(), parts.begin(), parts.end());
  });
  HOLDFAST_CHECK(method == "GET" && route != routes_.end());
  HOLDFAST_CHECK(std::count_if(parts.begin(), parts.end(), is_param) == 1);
  std::size_t const open = pattern.find('{');
  std::size_t const close = pattern.find('}', open);
  fast_routes_.push_back({std::string(pattern.substr(0, open)),
                          std::string(pattern.substr(close + 1)), std::move(handler),
                          route->options.cors});
}

Router::FastRoute const* Router::find_fast(std::string_view path, std::string_view& param) const {
  if (guard_) return nullptr;
  for (FastRoute const& route : fast_routes_) {
    if (path.size() <= route.before.size() + route.after.size() ||
        !path.starts_with(route.before) || !path.ends_with(route.after)) {
      continue;
    }
    std::string_view const middle =
        path.substr(route.before.size(), path.size() - route.before.size() - route.after.size());
    if (middle.find('/') != std::string_view::npos) continue;
    param = middle;
    return &route;
  }
  return nullptr;
}

Router::Place Router::place_of(std::string_view method, std::string_view path) const {
  if (guard_) return Place::Worker;
  Route const* const route = find(method == "HEAD" ? "GET" : method, split(path));
  if (route == nullptr || route->options.on_loop) return Place::OnLoop;
  return route->options.gather ? Place::Gathered : Place::Worker;
}

std::size_t Router::body_bytes_max(std::string_view method, std::string_view path) const {
  Route const* const route = find(method, split(path));
  return route == nullptr ? 0 : route->options.body_bytes_max;
}

}  // namespace holdfast
