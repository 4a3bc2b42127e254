#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "serve/router.h"
#include "serve/server.h"

namespace holdfast {

struct AdminOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string state_dir{};                 ///< Holds `admin-token` (0600), made on first start.
  std::function<std::string()> metrics{};  ///< The text of GET /metrics.
  /// Nothing when ready; otherwise why not, in one sentence, for GET /readyz.
  std::function<std::optional<std::string>()> not_ready{};
};

/// The admin port of a program: plain HTTP, meant for loopback or a private network.
///
///  1. GET /metrics (Prometheus text), /livez (always 200 while the process turns), /readyz (200, or 503 with the reason).
///  2. Anything but GET needs `Authorization: Bearer TOKEN` with the token of the file: 401 otherwise.
///  3. Host must be an IP literal, localhost or the host that is listened on: 403 otherwise. Why: a web page that lets
///     its own name point to 127.0.0.1 could otherwise read what is served here.
class AdminServer {
 public:
  explicit AdminServer(AdminOptions options);

  /// For further routes, before start().
  Router& router() { return router_; }
  /// Errors: Storage (state directory, token), Unavailable (address).
  Result<void> start();
  std::uint16_t port() const { return server_->port(); }
  void stop(std::chrono::milliseconds grace);

 private:
  std::optional<HttpResponse> check(HttpRequest const& request) const;

  AdminOptions options_;
  std::string token_;
  Router router_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace holdfast
