#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "serve/router.h"
#include "serve/server_options.h"
#include "serve/ticket_keys.h"

namespace holdfast {

/// An event-driven HTTP/1.1 server, with TLS if it has a certificate.
///
/// Each of `loop_count` loops has a thread, a listener on the same port (SO_REUSEPORT) and the connections that came in
/// there (EventLoop). Handlers that may block run on `worker_count` threads; one that waits (WaitFor) costs neither.
///
/// Every request goes: RequestCollector (limits) → cpp-httplib (syntax) → Router → handler; a plain GET of a fast route
/// (Router::add_fast) past the first two.
///
/// Thread-safety: all public functions may be called from any thread, bind() and start() once.
class HttpServer {
 public:
  /// `router` must outlive the server and not change after start().
  HttpServer(Router const& router, ServerOptions options);
  ~HttpServer();  ///< Stops at once if still running.
  HttpServer(HttpServer const&) = delete;
  HttpServer& operator=(HttpServer const&) = delete;

  /// Reads the certificate, binds and listens (backlog 511), so that the port is known before the first request is
  /// served. start() does it if nobody has.
  /// Errors: Unavailable (address in use or unknown), Malformed (certificate).
  Result<void> bind();
  /// Starts the threads. Errors: as bind().
  Result<void> start();
  std::uint16_t port() const { return port_; }  ///< The real one, after bind().

  /// Wakes every request that waits for `event`. Cheap when none does.
  void notify(std::string const& event);

  /// Reads the certificate files again, for connections accepted from now on.
  /// Errors: Malformed; the old certificate stays in use then.
  Result<void> reload();
  /// reload(), if the files have changed since they were last looked at (by time, size or inode); the server does so
  /// itself every ServerOptions::certificate_check.
  /// Returns: whether they had changed. Errors: as reload(), once for each change.
  Result<bool> reload_if_changed();

  /// Session tickets are made and opened under these from now on. `now_unix_s`: by the clock that their times are
  /// meant in.
  void set_ticket_keys(TicketKeys keys, std::int64_t now_unix_s);

  /// Goes on serving for `delay`, but asks each client to come back on a new connection, so that they move to other
  /// instances. Ends early when stop() is called.
  void drain(std::chrono::milliseconds delay);
  /// Stops accepting, closes idle connections, lets requests in hand finish for at most `grace`, then ends.
  void stop(std::chrono::milliseconds grace);

  ServerCounters counters() const;

 private:
  struct Parts;

  Result<void> set_tls();

  std::unique_ptr<Parts> const parts_;
  std::uint16_t port_ = 0;
};

}  // namespace holdfast
