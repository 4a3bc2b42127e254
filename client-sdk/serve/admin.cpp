#include "serve/admin.h"

#include <array>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "base/bytes.h"
#include "serve/problem.h"
#include "serve/state_files.h"

namespace holdfast {

namespace {

constexpr std::chrono::seconds kReadyRetry{2};
constexpr std::size_t kAdminWorkers = 2;
constexpr std::size_t kAdminConnectionsMax = 64;

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  response.content_type = "text/plain; charset=utf-8";
  response.headers.add("Cache-Control", "no-store");
  return response;
}

Result<std::string> load_or_make_token(std::string const& state_dir) {
  std::string const path = state_dir + "/admin-token";
  Result<std::string> stored = read_state_file(path);
  if (!stored && stored.error().code != ErrorCode::NotFound) return stored;
  if (stored) {
    while (!stored->empty() && (stored->back() == '\n' || stored->back() == ' '))
      stored->pop_back();
    if (stored->size() >= 16) return stored;
    return Unexpected(ErrorCode::Malformed, path + " holds no token of 16 characters or more");
  }
  std::array<Byte, 32> raw{};
  if (RAND_bytes(raw.data(), static_cast<int>(raw.size())) != 1) {
    return Unexpected(ErrorCode::Unavailable, "no randomness for the admin token");
  }
  std::string token = to_hex({raw.data(), raw.size()});
  if (Result<void> const written = write_state_file(path, token + "\n", /*secret=*/true);
      !written) {
    return Unexpected(written.error());
  }
  return token;
}

std::string_view host_without_port(std::string_view host) {
  if (host.starts_with('[')) {
    std::size_t const end = host.find(']');
    return end == std::string_view::npos ? std::string_view() : host.substr(1, end - 1);
  }
  return host.substr(0, host.find(':'));
}

bool is_ip_literal(std::string const& name) {
  std::array<unsigned char, sizeof(in6_addr)> raw{};
  return ::inet_pton(AF_INET, name.c_str(), raw.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), raw.data()) == 1;
}

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

AdminServer::AdminServer(AdminOptions options) : options_(std::move(options)) {
  router_.add("GET", "/metrics", [this](HttpRequest const&) {
    HttpResponse response = text(200, options_.metrics ? options_.metrics() : std::string());
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  });
  router_.add("GET", "/livez", [](HttpRequest const&) { return text(200, "alive\n"); });
  router_.add("GET", "/readyz", [this](HttpRequest const&) {
    std::optional<std::string> const reason =
        options_.not_ready ? options_.not_ready() : std::nullopt;
    return reason ? to_response(unavailable(*reason, kReadyRetry)) : text(200, "ready\n");
  });
  router_.set_guard([this](HttpRequest const& request) { return check(request); });
}

std::optional<HttpResponse> AdminServer::check(HttpRequest const& request) const {
  std::string const host(host_without_port(request.headers.get("Host").value_or("")));
  bool const own_name = host == "localhost" || host == options_.host || is_ip_literal(host);
  if (!own_name || request.headers.count("Host") != 1) {
    return to_response({.status = 403,
                        .type = "wrong-host",
                        .title = "This Host is not served here",
                        .detail = ""});
  }
  if (request.method == "GET") return std::nullopt;
  constexpr std::string_view kScheme = "Bearer ";
  std::string_view const given = request.headers.get("Authorization").value_or("");
  if (given.starts_with(kScheme) && same_secret(given.substr(kScheme.size()), token_))
    return std::nullopt;
  HttpResponse response = to_response(
      {.status = 401,
       .type = "token-needed",
       .title = "The admin token is needed",
       .detail = "Send Authorization: Bearer with the content of the file admin-token"});
  response.headers.add("WWW-Authenticate", "Bearer");
  return response;
}

Result<void> AdminServer::start() {
  if (Result<void> const made = make_state_dir(options_.state_dir); !made) return made;
  Result<std::string> token = load_or_make_token(options_.state_dir);
  if (!token) return Unexpected(token.error());
  token_ = *std::move(token);
  ServerOptions server;
  server.host = options_.host;
  server.port = options_.port;
  server.loop_count = 1;
  server.worker_count = kAdminWorkers;
  server.connections_max = kAdminConnectionsMax;
  server_ = std::make_unique<HttpServer>(router_, server);
  return server_->start();
}

void AdminServer::stop(std::chrono::milliseconds grace) {
  if (server_) server_->stop(grace);
}

}  // namespace holdfast
