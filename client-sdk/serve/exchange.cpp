#include "serve/exchange.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <httplib.h>
#include <sys/types.h>

#include "serve/problem.h"

namespace holdfast {

namespace {

/// cpp-httplib's view of a connection whose next request is already here; what it writes stays here too.
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
  ssize_t write(char const* data, std::size_t size) override {
    output.append(data, size);
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

  std::string output;

 private:
  std::string_view input_;
  PeerAddress const& peer_;
};

/// One request through cpp-httplib. Made anew for each: it holds what only this request has.
class Exchange final : public httplib::Server {
 public:
  Exchange(Router const& router, RequestCollector::Collected const& collected,
           PeerAddress const& peer, Call call)
      : router_(router), collected_(collected), peer_(peer), call_(call) {
    set_keep_alive_max_count(100);  // Only what the Keep-Alive field says; the listener decides.
    set_pre_routing_handler([this](httplib::Request const& request, httplib::Response& response) {
      handle(request, response);
      return HandlerResponse::Handled;
    });
    set_error_handler([](httplib::Request const&, httplib::Response& response) {
      if (response.body.empty())
        fill(response, to_response(bad_request("The request could not be parsed")));
    });
  }

  std::variant<ResponseBytes, WaitFor> run(bool close_after) {
    MemoryStream stream(collected_.head, peer_);
    bool closes = false;
    bool const written = process_request(stream, close_after, closes, nullptr);
    if (wait_) return *std::move(wait_);
    return ResponseBytes{std::move(stream.output), status_, close_after || closes || !written,
                         failed_};
  }

 private:
  static void fill(httplib::Response& to, HttpResponse const& from) {
    to.status = from.status;
    for (auto const& [name, value] : from.headers.fields()) to.set_header(name, value);
    if (!from.body.empty()) to.set_content(from.body, from.content_type);
  }

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
    request.body = collected_.body;
    request.peer = peer_;
    request.call = call_;
    return request;
  }

  void handle(httplib::Request const& from, httplib::Response& to) {
    HttpOutcome outcome;
    try {
      HttpRequest request = translate(from);
      outcome = router_.handle(request);
    } catch (...) {
      failed_ = true;
      outcome = to_response(internal_error());
    }
    if (WaitFor* const wait = std::get_if<WaitFor>(&outcome);
        wait != nullptr && call_ != Call::Deadline) {
      wait_ = std::move(*wait);
      return;
    }
    if (std::holds_alternative<WaitFor>(
            outcome)) {  // The deadline has passed, so waiting on is a mistake of ours.
      failed_ = true;
      outcome = to_response(internal_error());
    }
    HttpResponse const& response = std::get<HttpResponse>(outcome);
    status_ = response.status;
    fill(to, response);
  }

  Router const& router_;
  RequestCollector::Collected const& collected_;
  PeerAddress const& peer_;
  Call call_;
  std::optional<WaitFor> wait_;
  int status_ = 400;
  bool failed_ = false;
};

}  // namespace

std::variant<ResponseBytes, WaitFor> run_exchange(Router const& router,
                                                  RequestCollector::Collected const& collected,
                                                  PeerAddress const& peer, Call call,
                                                  bool close_after) {
  return Exchange(router, collected, peer, call).run(close_after);
}

ResponseBytes refuse_exchange(int status, std::string const& detail) {
  std::string_view reason = "Bad Request";
  std::string_view type = "malformed-request";
  switch (status) {
    case 408:
      reason = "Request Timeout";
      break;
    case 411:
      reason = "Length Required";
      break;
    case 413:
      reason = "Payload Too Large";
      type = "too-large";
      break;
    case 414:
      reason = "URI Too Long";
      type = "target-too-long";
      break;
    case 431:
      reason = "Request Header Fields Too Large";
      type = "headers-too-large";
      break;
    case 505:
      reason = "HTTP Version Not Supported";
      break;
    default:
      break;
  }
  HttpResponse const problem = to_response({.status = status,
                                            .type = std::string(type),
                                            .title = std::string(reason),
                                            .detail = detail});
  std::string bytes = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) +
                      "\r\nContent-Type: " + problem.content_type +
                      "\r\nContent-Length: " + std::to_string(problem.body.size()) +
                      "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n" + problem.body;
  return {std::move(bytes), status, /*close=*/true, /*failed=*/false};
}

}  // namespace holdfast
