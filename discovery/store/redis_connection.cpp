#include "discovery/store/redis_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::discovery {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

Unexpected unavailable(char const* what) { return Unexpected(ErrorCode::Unavailable, what); }

int milliseconds_left(Deadline deadline) {
  auto const left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

/// Returns: whether the socket became ready before the deadline.
bool wait_for(int socket, short events, Deadline deadline) {
  while (true) {
    pollfd waiting{.fd = socket, .events = events, .revents = 0};
    int const ready = ::poll(&waiting, 1, milliseconds_left(deadline));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

/// Returns: a connected non-blocking socket, or -1.
int connect_to(addrinfo const& address, Deadline deadline) {
  int const socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  int const on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket, address.ai_addr, address.ai_addrlen) == 0) return socket;
  int failure = 0;
  socklen_t size = sizeof failure;
  bool const is_connected = errno == EINPROGRESS && wait_for(socket, POLLOUT, deadline) &&
                            ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
                            failure == 0;
  if (is_connected) return socket;
  ::close(socket);
  return -1;
}

int connect_to_any(RedisOptions const& options, Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  std::string const port = std::to_string(options.port);
  if (::getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> const addresses(found, &::freeaddrinfo);
  for (addrinfo const* next = found; next != nullptr; next = next->ai_next) {
    int const socket = connect_to(*next, deadline);
    if (socket >= 0) return socket;
  }
  return -1;
}

bool send_all(int socket, std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    ssize_t const sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(socket, POLLOUT, deadline)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

std::string format_command(std::vector<std::string> const& command) {
  std::vector<char const*> parts;
  std::vector<std::size_t> sizes;
  for (std::string const& part : command) {
    parts.push_back(part.data());
    sizes.push_back(part.size());
  }
  char* formatted = nullptr;
  int const size = redisFormatCommandArgv(&formatted, static_cast<int>(parts.size()), parts.data(),
                                          sizes.data());
  HOLDFAST_CHECK(size > 0);
  std::unique_ptr<char, decltype(&std::free)> const owner(formatted, &std::free);
  return std::string(formatted, static_cast<std::size_t>(size));
}

}  // namespace

RedisConnection::RedisConnection(int socket, RedisOptions const& options)
    : socket_(socket), reader_({.bytes_max = options.reply_bytes_max}) {}

RedisConnection::~RedisConnection() { ::close(socket_); }

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(RedisOptions const& options,
                                                               Deadline deadline) {
  int const socket = connect_to_any(options, deadline);
  if (socket < 0) return unavailable("cannot connect to Redis");
  std::unique_ptr<RedisConnection> out(new RedisConnection(socket, options));
  if (options.database != 0) {
    Result<RedisReply> const selected =
        out->call({"SELECT", std::to_string(options.database)}, deadline);
    if (!selected) return Unexpected(selected.error());
    if (selected->kind != RedisReply::Kind::Status) {
      return Unexpected(ErrorCode::Unavailable, "Redis: " + selected->text);
    }
  }
  return out;
}

Result<RedisReply> RedisConnection::call(std::vector<std::string> const& command,
                                         Deadline deadline) {
  if (!send_all(socket_, format_command(command), deadline)) {
    return unavailable("Redis does not take a command");
  }
  std::array<char, kReadBytes> chunk;
  while (true) {
    Result<std::optional<RedisReply>> reply = reader_.next();
    if (!reply) return Unexpected(ErrorCode::Unavailable, reply.error().detail);
    if (*reply) return *std::move(*reply);
    if (!wait_for(socket_, POLLIN, deadline)) return unavailable("Redis did not answer in time");
    ssize_t const got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (got == 0) return unavailable("Redis closed the connection");
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return unavailable("connection to Redis broke");
    Result<void> const fed = reader_.feed({chunk.data(), static_cast<std::size_t>(got)});
    if (!fed) return Unexpected(ErrorCode::Unavailable, fed.error().detail);
  }
}

bool RedisConnection::is_quiet() const {
  pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 0;
}

Result<std::unique_ptr<RedisConnection>> RedisPool::take(Deadline deadline) {
  {
    MutexLock lock(mutex_);
    while (true) {
      auto const now = std::chrono::steady_clock::now();
      if (now < paused_until_) return unavailable("Redis did not answer a moment ago");
      while (!idle_.empty()) {
        std::unique_ptr<RedisConnection> connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection->is_quiet()) return connection;
        --open_;  // Redis closed it while nobody used it: a restart, or its idle time-out.
      }
      if (open_ < options_.connections_max) break;
      if (now >= deadline) return unavailable("all connections to Redis are busy");
      returned_.wait_for(mutex_, deadline - now);
    }
    ++open_;
  }
  Result<std::unique_ptr<RedisConnection>> connection = RedisConnection::open(options_, deadline);
  if (!connection) give_back(nullptr, /*is_broken=*/true);
  return connection;
}

void RedisPool::give_back(std::unique_ptr<RedisConnection> connection, bool is_broken) {
  std::unique_ptr<RedisConnection> closing;
  MutexLock const lock(mutex_);
  if (is_broken) {
    --open_;
    closing = std::move(connection);
    paused_until_ = std::chrono::steady_clock::now() + kPause;
  } else {
    idle_.push_back(std::move(connection));
  }
  returned_.notify_one();
}

Result<RedisReply> RedisPool::call(std::vector<std::string> const& command, Deadline deadline) {
  Result<std::unique_ptr<RedisConnection>> connection = take(deadline);
  if (!connection) return Unexpected(connection.error());
  Result<RedisReply> reply = (*connection)->call(command, deadline);
  give_back(std::move(*connection), !reply.ok());
  return reply;
}

}  // namespace holdfast::discovery
