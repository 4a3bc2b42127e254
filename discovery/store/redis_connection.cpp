#include "discovery/store/redis_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
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
int connect_to(SocketAddress const& address, Deadline deadline) {
  auto const* const to = reinterpret_cast<sockaddr const*>(&address.bytes);
  int const socket = ::socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  int const on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(socket, to, address.size) == 0) return socket;
  int failure = 0;
  socklen_t size = sizeof failure;
  bool const is_connected = errno == EINPROGRESS && wait_for(socket, POLLOUT, deadline) &&
                            ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
                            failure == 0;
  if (is_connected) return socket;
  ::close(socket);
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

void append_command(std::string& out, std::vector<std::string> const& words) {
  out.append("*").append(std::to_string(words.size())).append("\r\n");
  for (std::string const& word : words) {
    out.append("$").append(std::to_string(word.size())).append("\r\n").append(word).append("\r\n");
  }
}

}  // namespace

RedisConnection::RedisConnection(int socket, std::size_t reply_bytes_max)
    : socket_(socket), reader_({.bytes_max = reply_bytes_max}) {}

RedisConnection::~RedisConnection() { ::close(socket_); }

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(HostPort const& server,
                                                               RedisResolver& resolver,
                                                               std::size_t reply_bytes_max,
                                                               Deadline deadline) {
  Result<std::vector<SocketAddress>> const addresses =
      resolver.resolve(server.host, server.port, deadline);
  if (!addresses) return Unexpected(addresses.error());
  for (SocketAddress const& address : *addresses) {
    int const socket = connect_to(address, deadline);
    if (socket >= 0) {
      return std::unique_ptr<RedisConnection>(new RedisConnection(socket, reply_bytes_max));
    }
  }
  return unavailable("cannot connect to Redis");
}

Result<std::vector<RedisReply>> RedisConnection::call(std::vector<RedisCommand> const& commands,
                                                      Deadline deadline) {
  std::string bytes;
  for (RedisCommand const& command : commands) append_command(bytes, command.words);
  if (!send_all(socket_, bytes, deadline)) return unavailable("Redis does not take a command");
  std::vector<RedisReply> out;
  out.reserve(commands.size());
  while (out.size() < commands.size()) {
    Result<RedisReply> reply = read(deadline);
    if (!reply) return Unexpected(reply.error());
    out.push_back(*std::move(reply));
  }
  return out;
}

Result<RedisReply> RedisConnection::call_one(std::vector<std::string> words, Deadline deadline) {
  Result<std::vector<RedisReply>> replies = call({RedisCommand{std::move(words)}}, deadline);
  if (!replies) return Unexpected(replies.error());
  return std::move(replies->front());
}

Result<void> RedisConnection::send(std::vector<std::string> const& words, Deadline deadline) {
  std::string bytes;
  append_command(bytes, words);
  if (!send_all(socket_, bytes, deadline)) return unavailable("Redis does not take a command");
  return {};
}

Result<RedisReply> RedisConnection::read(Deadline deadline) {
  while (true) {
    Result<std::optional<RedisReply>> reply = poll();
    if (!reply) return Unexpected(reply.error());
    if (*reply) return *std::move(*reply);
    if (!wait_for(socket_, POLLIN, deadline)) return unavailable("Redis did not answer in time");
  }
}

Result<std::optional<RedisReply>> RedisConnection::poll() {
  std::array<char, kReadBytes> chunk;
  while (true) {
    Result<std::optional<RedisReply>> reply = reader_.next();
    if (!reply) return Unexpected(ErrorCode::Unavailable, reply.error().detail);
    if (*reply) return reply;
    ssize_t const got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (got == 0) return unavailable("Redis closed the connection");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return std::optional<RedisReply>();
    if (got < 0) return unavailable("connection to Redis broke");
    Result<void> const fed = reader_.feed({chunk.data(), static_cast<std::size_t>(got)});
    if (!fed) return Unexpected(ErrorCode::Unavailable, fed.error().detail);
  }
}

bool RedisConnection::is_quiet() const {
  pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 0) == 0;
}

}  // namespace holdfast::discovery
