#include "serve/exchange.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string_view>
#include <utility>

#include <httplib.h>
#include <sys/types.h>

#include "serve/answer_writer.h"
#include "serve/problem.h"

namespace holdfast {

namespace {

constexpr std::chrono::seconds kOverloadRetry{1};

/// cpp-httplib's view of a connection whose next request is already here. What it writes is thrown away: answers are
/// written by us, alike for every path.
class MemoryStream final : public httplib::Stream {
 public:
  MemoryStream(std::string_view input, PeerAddress const& peer) : input_(input), peer_(peer) {}

  bool is_readable() const override { return !input_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* out, std::size_t size) override {
    std::size_t const count = std::min(size, input_.size());
    std::memcpy(out, input_.data(), count);
    input_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(char const* /*data*/, std::size_t size) override {
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = peer_.ip;
    port = peer_.port;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return 0; }

 private:
  std::string_view input_;
  PeerAddress const& peer_;
};

bool is_close(std::string_view option) {
  constexpr std::string_view kClose = "close";
  return std::equal(option.begin(), option.end(), kClose.begin(), kClose.end(),
                    [](char c, char small) { return c == small || c + ('a' - 'A') == small; });
}

/// Whether `close` is among the options of Connection, in whatever letters (RFC 9110, 7.6.1). The library knows it only
/// alone and in small ones.
bool asks_to_close(httplib::Request const& request) {
  auto const [first, last] = request.headers.equal_range("Connection");
  return std::any_of(first, last, [](auto const& field) {
    std::string_view rest = field.second;
    while (true) {
      std::size_t const comma = rest.find(',');
      std::string_view option = rest.substr(0, comma);
      while (!option.empty() && option.front() == ' ') option.remove_prefix(1);
      while (!option.empty() && option.back() == ' ') option.remove_suffix(1);
      if (is_close(option)) return true;
      if (comma == std::string_view::npos) return false;
      rest.remove_prefix(comma + 1);
    }
  });
}

/// What a request came to, before what was left for later.
struct Handled {
  HttpOutcome outcome = to_response(bad_request("The request could not be parsed"));
  bool is_head = false;
  bool close = true;
  bool failed = false;
};

/// Requests through cpp-httplib, one after the other. Making one costs as much as reading a request.
class Exchange final : public httplib::Server {
 public:
  explicit Exchange(ExchangePlace const& place) : place_(place) {
    set_pre_routing_handler([this](httplib::Request const& from, httplib::Response&) {
      handle(from);
      return HandlerResponse::Handled;
    });
  }

  Handled run(ExchangeRequest const& request) {
    current_ = {};
    current_.request = &request;
    MemoryStream stream(request.collected.head, request.peer);
    bool closes = false;
    process_request(stream, place_.close_after, closes, nullptr);
    // Not handled: the library could not parse it, and says nothing that may be relied upon.
    bool const asked = current_.asks_to_close || current_.http_1_0;
    if (current_.was_handled) current_.handled.close = place_.close_after || closes || asked;
    return std::move(current_.handled);
  }

 private:
  /// What only this request has.
  struct Current {
    ExchangeRequest const* request = nullptr;
    Handled handled;
    bool was_handled = false;
    bool http_1_0 = false;
    bool asks_to_close = false;
  };

  HttpRequest translate(httplib::Request const& from) const {
    HttpRequest request;
    request.method = from.method == "HEAD" ? "GET" : from.method;
    request.target = from.target;
    request.path = from.path;
    request.query = from.params;
    for (auto const& [name, value] : from.headers) {
      bool const made_by_library = name == "REMOTE_ADDR" || name == "REMOTE_PORT" ||
                                   name == "LOCAL_ADDR" || name == "LOCAL_PORT";
      if (!made_by_library) request.headers.add(name, value);
    }
    request.body = current_.request->collected.body;
    request.peer = current_.request->peer;
    if (place_.proxies.trusts(current_.request->peer))
      request.peer = client_behind(place_.proxies, current_.request->peer, request.headers);
    request.call = current_.request->call;
    return request;
  }

  void handle(httplib::Request const& from) {
    current_.was_handled = true;
    current_.handled.is_head = from.method == "HEAD";
    current_.http_1_0 = from.version == "HTTP/1.0";
    current_.asks_to_close = asks_to_close(from);
    try {
      HttpRequest request = translate(from);
      current_.handled.outcome = place_.router.handle(request);
    } catch (...) {
      current_.handled.failed = true;
      current_.handled.outcome = to_response(internal_error());
    }
    // The deadline has passed, so waiting on is a mistake of ours.
    if (current_.request->call == Call::Deadline &&
        std::holds_alternative<WaitFor>(current_.handled.outcome)) {
      current_.handled.failed = true;
      current_.handled.outcome = to_response(internal_error());
    }
  }

  ExchangePlace const& place_;
  Current current_;
};

HttpResponse finish(Later const& later, bool& failed) {
  try {
    return later.finish();
  } catch (...) {
    failed = true;
    return to_response(internal_error());
  }
}

ExchangeOutcome conclude(Handled handled) {
  if (WaitFor* const wait = std::get_if<WaitFor>(&handled.outcome)) return std::move(*wait);
  if (Later const* const later = std::get_if<Later>(&handled.outcome))
    handled.outcome = finish(*later, handled.failed);
  HttpResponse const& response = std::get<HttpResponse>(handled.outcome);
  ResponseBytes answer{{}, response.status, handled.close, handled.failed};
  append_answer(answer.bytes, response, handled.is_head, handled.close);
  return answer;
}

}  // namespace

std::vector<ExchangeOutcome> run_exchanges(ExchangePlace const& place,
                                           std::span<ExchangeRequest const> requests) {
  std::vector<Handled> handled;
  handled.reserve(requests.size());
  Exchange exchange(place);
  for (ExchangeRequest const& request : requests) handled.push_back(exchange.run(request));
  std::vector<ExchangeOutcome> out;
  out.reserve(requests.size());
  for (Handled& each : handled) out.push_back(conclude(std::move(each)));
  return out;
}

ExchangeOutcome run_exchange(ExchangePlace const& place, ExchangeRequest const& request) {
  return conclude(Exchange(place).run(request));
}

ResponseBytes refuse_exchange(int status, std::string const& detail) {
  std::string_view type = "malformed-request";
  switch (status) {
    case 408:
      type = "too-slow";
      break;
    case 411:
      type = "length-required";
      break;
    case 413:
      type = "too-large";
      break;
    case 414:
      type = "target-too-long";
      break;
    case 431:
      type = "headers-too-large";
      break;
    default:
      break;
  }
  HttpResponse const problem = to_response({.status = status,
                                            .type = std::string(type),
                                            .title = std::string(reason_phrase(status)),
                                            .detail = detail});
  ResponseBytes answer{{}, status, /*close=*/true, /*failed=*/false};
  append_answer(answer.bytes, problem, /*omit_body=*/false, /*close=*/true);
  return answer;
}

ResponseBytes overloaded_exchange(bool close_after) {
  HttpResponse const problem =
      to_response(unavailable("Too many requests are being worked on", kOverloadRetry));
  ResponseBytes answer{{}, problem.status, close_after, /*failed=*/false};
  append_answer(answer.bytes, problem, /*omit_body=*/false, close_after);
  return answer;
}

}  // namespace holdfast
