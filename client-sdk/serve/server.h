#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "serve/certificate.h"
#include "serve/message.h"
#include "serve/request_collector.h"
#include "serve/router.h"

namespace holdfast {

struct ServerOptions {
  std::string host = "127.0.0.1";  ///< A literal or a name; "0.0.0.0" and "::" mean every address.
  std::uint16_t port = 0;          ///< 0: any.
  std::optional<CertificateFiles> certificate = std::nullopt;  ///< With one: HTTPS. Without: HTTP.
  std::size_t worker_count = 16;
  std::size_t connections_max =
      4096;  ///< Beyond, the longest idle one is closed; if none is idle, the newest.
  RequestLimits limits{};
  std::chrono::milliseconds request_timeout{
      5'000};  ///< For the handshake, and for a request from its first byte on.
  std::chrono::milliseconds idle_timeout{30'000};  ///< Between requests.
  Duration wait_max{60'000};                       ///< The longest a handler may wait for.
};

/// What the server counts; read at any time.
struct ServerCounters {
  std::atomic<std::uint64_t> connections_accepted{0};
  std::atomic<std::uint64_t> connections_refused{0};
  std::atomic<std::uint64_t> handshakes_failed{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> requests_refused{0};  ///< By limits and form, before any handler.
  std::atomic<std::uint64_t> handler_failures{0};  ///< Answered with 500.
  std::atomic<std::uint64_t> connections_open{0};
};

/// A small HTTP/1.1 server, with TLS if it has a certificate.
///
/// One thread owns an epoll set of idle connections; a connection that has something to say is given to one of
/// `worker_count` workers for one request and then goes back. So an idle client costs a socket and no thread, and a slow
/// one a worker for at most request_timeout. A handler that waits (WaitFor) costs neither.
///
/// Every request goes: RequestCollector (limits) → cpp-httplib (syntax) → Router → handler. Whatever listens in place of
/// this class needs only those.
///
/// Thread-safety: all public functions may be called from any thread.
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

  /// Stops accepting, closes idle connections, lets requests in hand finish for at most `grace`, then ends.
  void stop(std::chrono::milliseconds grace);

  ServerCounters const& counters() const { return counters_; }

 private:
  struct Client;
  using ClientPtr = std::shared_ptr<Client>;
  using Clock = std::chrono::steady_clock;

  void run_poller();
  void run_worker();
  void accept_all();
  void admit(int socket, PeerAddress peer);
  void serve(ClientPtr const& client);
  enum class After : std::uint8_t { Again, Idle, Parked, Close };
  After serve_one(ClientPtr const& client);
  bool read_request(Client& client);
  After run(ClientPtr const& client);
  bool send(Client& client, std::string const& bytes);
  After park(ClientPtr const& client, WaitFor wait, std::uint64_t notifications_before);
  void wake_due(Clock::time_point now);
  void close_idle(Clock::time_point now);
  void close_oldest_idle() HOLDFAST_REQUIRES(mutex_);
  void hand_to_worker(ClientPtr client) HOLDFAST_REQUIRES(mutex_);
  void rearm(ClientPtr const& client);
  void forget(ClientPtr const& client);

  Router const& router_;
  ServerOptions options_;
  ServerCounters counters_;
  std::shared_ptr<void> tls_context_;  ///< SSL_CTX; void keeps OpenSSL out of this header.
  int listener_ = -1;
  int epoll_ = -1;
  int wake_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> draining_{false};
  std::atomic<bool> ended_{false};
  std::thread poller_;
  std::vector<std::thread> workers_;

  Mutex mutex_;
  CondVar work_;     ///< Something to do, or the end.
  CondVar drained_;  ///< No client is left.
  std::map<std::uint64_t, ClientPtr> clients_ HOLDFAST_GUARDED_BY(mutex_);
  std::deque<ClientPtr> queue_ HOLDFAST_GUARDED_BY(mutex_);
  std::multimap<std::string, ClientPtr> waiting_ HOLDFAST_GUARDED_BY(mutex_);  ///< By event.
  std::uint64_t notifications_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_id_ HOLDFAST_GUARDED_BY(mutex_) = 2;
};

}  // namespace holdfast
