#include "serve/server.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>
#include <variant>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/connection.h"
#include "serve/exchange.h"
#include "serve/listen_socket.h"

namespace holdfast {

namespace {

constexpr std::uint64_t kListenerId = 0;
constexpr std::uint64_t kWakeId = 1;
constexpr int kTickMilliseconds = 100;  // How late an idle or waiting time-out may be noticed.
constexpr int kRequestsPerTurn = 32;    // Pipelined requests served before others get their turn.

}  // namespace

/// One connection. Between `Idle` and `Working` it belongs to whoever changed its state under the server's mutex.
struct HttpServer::Client {
  enum class State : std::uint8_t { Idle, Working, Parked };

  Client(std::uint64_t client_id, int socket, PeerAddress peer, SSL_CTX* context,
         Router const& router, RequestLimits limits)
      : id(client_id), connection(socket, std::move(peer), context), collector(router, limits) {}

  std::uint64_t const id;
  Connection connection;
  RequestCollector collector;
  State state = State::Idle;
  Clock::time_point since = Clock::now();              ///< In this state.
  std::optional<RequestCollector::Collected> current;  ///< The request in hand, also while parked.
  Call call = Call::First;
  std::string event;             ///< While parked.
  Clock::time_point wait_until;  ///< While parked.
};

HttpServer::HttpServer(Router const& router, ServerOptions options)
    : router_(router), options_(std::move(options)) {}

HttpServer::~HttpServer() { stop(std::chrono::milliseconds(0)); }

Result<void> HttpServer::bind() {
  if (options_.certificate) {
    Result<OwnedSslContext> context =
        make_server_context(options_.certificate->certificate_path, options_.certificate->key_path);
    if (!context) return Unexpected(context.error());
    tls_context_ = std::shared_ptr<SSL_CTX>(std::move(*context));
  }
  Result<int> const socket = open_listen_socket(options_.host, options_.port);
  if (!socket) return Unexpected(socket.error());
  listener_ = *socket;
  port_ = local_port(listener_);
  return {};
}

Result<void> HttpServer::start() {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2).
  if (listener_ < 0) {
    if (Result<void> const bound = bind(); !bound) return bound;
  }
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event listener_event{};
  listener_event.events = EPOLLIN;
  listener_event.data.u64 = kListenerId;
  epoll_event wake_event{};
  wake_event.events = EPOLLIN;
  wake_event.data.u64 = kWakeId;
  if (epoll_ < 0 || wake_ < 0 ||
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &listener_event) != 0 ||
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &wake_event) != 0) {
    return Unexpected(ErrorCode::Unavailable, "cannot watch sockets");
  }
  poller_ = std::thread([this] { run_poller(); });
  for (std::size_t i = 0; i < options_.worker_count; ++i)
    workers_.emplace_back([this] { run_worker(); });
  return {};
}

void HttpServer::run_poller() {
  std::array<epoll_event, 256> events;
  bool listening = true;
  while (!ended_) {
    int const count =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kTickMilliseconds);
    for (int i = 0; i < count; ++i) {
      std::uint64_t const id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == kWakeId) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] ssize_t const emptied = ::read(wake_, &ignored, sizeof ignored);
        continue;
      }
      if (id == kListenerId) {
        if (!draining_) accept_all();
        continue;
      }
      MutexLock const lock(mutex_);
      auto const found = clients_.find(id);
      if (found != clients_.end() && found->second->state == Client::State::Idle)
        hand_to_worker(found->second);
    }
    if (draining_ && listening) {
      ::epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
      ::close(std::exchange(listener_, -1));
      listening = false;
    }
    Clock::time_point const now = Clock::now();
    wake_due(now);
    close_idle(now);
  }
}

void HttpServer::accept_all() {
  while (true) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    int const socket = ::accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0 && errno == EINTR) continue;
    if (socket < 0 && (errno == EMFILE || errno == ENFILE)) {
      MutexLock const lock(mutex_);
      close_oldest_idle();
      counters_.connections_refused++;
    }
    if (socket < 0) return;
    admit(socket, peer_of(address));
  }
}

void HttpServer::admit(int socket, PeerAddress peer) {
  int const on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  counters_.connections_accepted++;
  MutexLock const lock(mutex_);
  if (clients_.size() >= options_.connections_max) {
    close_oldest_idle();
    counters_.connections_refused++;
  }
  if (clients_.size() >= options_.connections_max) {
    ::close(socket);
    return;
  }
  auto* const context = static_cast<SSL_CTX*>(tls_context_.get());
  std::uint64_t const id = next_id_++;
  auto const client =
      std::make_shared<Client>(id, socket, std::move(peer), context, router_, options_.limits);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) != 0) return;
  clients_.emplace(id, client);
  counters_.connections_open = clients_.size();
}

void HttpServer::hand_to_worker(ClientPtr client) {
  client->state = Client::State::Working;
  queue_.push_back(std::move(client));
  work_.notify_one();
}

void HttpServer::run_worker() {
  while (true) {
    ClientPtr client;
    {
      MutexLock const lock(mutex_);
      while (queue_.empty() && !ended_) work_.wait(mutex_);
      if (ended_) return;
      client = std::move(queue_.front());
      queue_.pop_front();
    }
    serve(client);
  }
}

void HttpServer::serve(ClientPtr const& client) {
  After after = After::Again;
  for (int i = 0; i < kRequestsPerTurn && after == After::Again; ++i) after = serve_one(client);
  switch (after) {
    case After::Again: {
      MutexLock const lock(mutex_);
      hand_to_worker(client);
      return;
    }
    case After::Idle:
      rearm(client);
      return;
    case After::Parked:
      return;
    case After::Close:
      forget(client);
      return;
  }
}

/// Requires: the calling worker owns the client.
HttpServer::After HttpServer::serve_one(ClientPtr const& client) {
  if (!client->current) {
    client->call = Call::First;
    if (!read_request(*client)) return After::Close;
  }
  return run(client);
}

/// Returns: false if the connection must be closed; whatever had to be said has been said.
bool HttpServer::read_request(Client& client) {
  Connection::Deadline const deadline = Clock::now() + options_.request_timeout;
  if (client.connection.handshake(deadline) != Connection::Status::Ok) {
    counters_.handshakes_failed++;
    return false;
  }
  std::string chunk;
  while (!(client.current = client.collector.take())) {
    if (client.collector.refusal()) {
      counters_.requests_refused++;
      send(client,
           refuse_exchange(client.collector.refusal()->status, client.collector.refusal()->detail)
               .bytes);
      return false;
    }
    chunk.clear();
    Connection::Status const status = client.connection.read_some(chunk, deadline);
    if (status == Connection::Status::TimedOut && client.collector.has_partial()) {
      counters_.requests_refused++;
      send(client, refuse_exchange(408, "The request took too long to arrive").bytes);
    }
    if (status != Connection::Status::Ok) return false;
    client.collector.receive(chunk);
  }
  return true;
}

HttpServer::After HttpServer::run(ClientPtr const& client) {
  std::uint64_t notifications_before = 0;
  {
    MutexLock const lock(mutex_);
    notifications_before = notifications_;
  }
  auto outcome =
      run_exchange(router_, *client->current, client->connection.peer(), client->call, draining_);
  if (WaitFor* const wait = std::get_if<WaitFor>(&outcome); wait != nullptr) {
    return park(client, std::move(*wait), notifications_before);
  }
  ResponseBytes const& response = std::get<ResponseBytes>(outcome);
  counters_.requests++;
  if (response.failed) counters_.handler_failures++;
  client->current.reset();
  client->call = Call::First;
  Connection::Deadline const deadline = Clock::now() + options_.request_timeout;
  if (client->connection.write_all(response.bytes, deadline) != Connection::Status::Ok)
    return After::Close;
  if (response.close) {
    client->connection.finish();
    return After::Close;
  }
  bool const more = client->collector.has_partial() || client->connection.has_buffered_input() ||
                    client->collector.refusal();
  return more ? After::Again : After::Idle;
}

bool HttpServer::send(Client& client, std::string const& bytes) {
  Connection::Deadline const deadline = Clock::now() + options_.request_timeout;
  bool const sent = client.connection.write_all(bytes, deadline) == Connection::Status::Ok;
  if (sent) client.connection.finish();
  return sent;
}

HttpServer::After HttpServer::park(ClientPtr const& client, WaitFor wait,
                                   std::uint64_t notifications_before) {
  MutexLock const lock(mutex_);
  // Something was notified while the handler looked: it may have been this event, so let it look again.
  if (notifications_ != notifications_before) {
    client->call = Call::Event;
    return After::Again;
  }
  client->state = Client::State::Parked;
  client->event = std::move(wait.event);
  client->wait_until = Clock::now() + std::clamp(wait.at_most, Duration(0), options_.wait_max);
  waiting_.emplace(client->event, client);
  return After::Parked;
}

void HttpServer::notify(std::string const& event) {
  MutexLock const lock(mutex_);
  ++notifications_;
  auto const [first, last] = waiting_.equal_range(event);
  for (auto it = first; it != last; ++it) {
    it->second->call = Call::Event;
    hand_to_worker(it->second);
  }
  waiting_.erase(first, last);
}

void HttpServer::wake_due(Clock::time_point now) {
  MutexLock const lock(mutex_);
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    if (it->second->wait_until > now && !draining_) {
      ++it;
      continue;
    }
    it->second->call = Call::Deadline;
    hand_to_worker(it->second);
    it = waiting_.erase(it);
  }
}

void HttpServer::close_idle(Clock::time_point now) {
  MutexLock const lock(mutex_);
  std::erase_if(clients_, [&](auto const& entry) {
    Client const& client = *entry.second;
    return client.state == Client::State::Idle &&
           (draining_ || now - client.since > options_.idle_timeout);
  });
  counters_.connections_open = clients_.size();
  if (clients_.empty()) drained_.notify_all();
}

void HttpServer::close_oldest_idle() {
  auto oldest = clients_.end();
  for (auto it = clients_.begin(); it != clients_.end(); ++it) {
    if (it->second->state != Client::State::Idle) continue;
    if (oldest == clients_.end() || it->second->since < oldest->second->since) oldest = it;
  }
  if (oldest != clients_.end()) clients_.erase(oldest);
}

void HttpServer::rearm(ClientPtr const& client) {
  MutexLock const lock(mutex_);
  client->state = Client::State::Idle;
  client->since = Clock::now();
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
  event.data.u64 = client->id;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, client->connection.socket(), &event) != 0)
    clients_.erase(client->id);
}

void HttpServer::forget(ClientPtr const& client) {
  MutexLock const lock(mutex_);
  clients_.erase(client->id);
  counters_.connections_open = clients_.size();
  if (clients_.empty()) drained_.notify_all();
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  if (!poller_.joinable()) {
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
    return;
  }
  draining_ = true;
  std::uint64_t const one = 1;
  [[maybe_unused]] ssize_t const woken = ::write(wake_, &one, sizeof one);
  {
    MutexLock const lock(mutex_);
    Clock::time_point const deadline = Clock::now() + grace;
    while (!clients_.empty() && Clock::now() < deadline)
      drained_.wait_for(mutex_, deadline - Clock::now());
    ended_ = true;
    work_.notify_all();
  }
  poller_.join();
  for (std::thread& worker : workers_) worker.join();
  MutexLock const lock(mutex_);
  waiting_.clear();
  queue_.clear();
  clients_.clear();
  if (listener_ >= 0) ::close(std::exchange(listener_, -1));
  ::close(epoll_);
  ::close(wake_);
}

}  // namespace holdfast
