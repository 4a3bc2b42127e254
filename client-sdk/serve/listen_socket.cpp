#include "serve/listen_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast {

namespace {

constexpr int kBacklog =
    511;  // As nginx and Redis have it; the kernel caps it at net.core.somaxconn.

struct FreeList {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

bool turn_on(int fd, int level, int option, int value = 1) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// `first`: whether this must be the only one there yet.
int listen_on(addrinfo const& address, bool first) {
  int const fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  turn_on(fd, SOL_SOCKET, SO_REUSEADDR);
  turn_on(fd, IPPROTO_TCP, TCP_NODELAY);  // Accepted sockets inherit it.
  // "::" takes IPv4 too.
  if (address.ai_family == AF_INET6) turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // The first one binds without sharing, so that another program's listener is noticed, and shares from then on.
  bool const ok = (first || turn_on(fd, SOL_SOCKET, SO_REUSEPORT)) &&
                  ::bind(fd, address.ai_addr, address.ai_addrlen) == 0 &&
                  turn_on(fd, SOL_SOCKET, SO_REUSEPORT) && ::listen(fd, kBacklog) == 0;
  if (ok) return fd;
  int const code = errno;
  ::close(fd);
  errno = code;
  return -1;
}

void set_port(sockaddr& address, std::uint16_t port) {
  if (address.sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
}

}  // namespace

Result<std::vector<int>> open_listen_sockets(std::string const& host, std::uint16_t port,
                                             std::size_t count) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int const code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  std::string const name = host + " port " + std::to_string(port);
  if (code != 0)
    return Unexpected(ErrorCode::Unavailable,
                      "cannot listen on " + name + ": " + ::gai_strerror(code));
  std::unique_ptr<addrinfo, FreeList> const list(found);
  std::vector<int> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    int const fd = listen_on(*list, /*first=*/i == 0);
    if (fd < 0) {
      int const reason = errno;
      for (int const opened : sockets) ::close(opened);
      return Unexpected(ErrorCode::Unavailable, "cannot listen on " + name + ": " +
                                                    std::generic_category().message(reason));
    }
    sockets.push_back(fd);
    // Port 0 is any port for the first, and that one for the others.
    set_port(*list->ai_addr, local_port(fd));
  }
  return sockets;
}

std::uint16_t local_port(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return address.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<sockaddr_in6 const&>(address).sin6_port)
             : ntohs(reinterpret_cast<sockaddr_in const&>(address).sin_port);
}

PeerAddress peer_of(sockaddr_storage const& address) {
  IpAddress ip;
  std::uint16_t port = 0;
  if (address.ss_family == AF_INET) {
    auto const& v4 = reinterpret_cast<sockaddr_in const&>(address);
    std::array<Byte, 4> octets{};
    std::memcpy(octets.data(), &v4.sin_addr, octets.size());
    ip = IpAddress::v4(octets);
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    auto const& v6 = reinterpret_cast<sockaddr_in6 const&>(address);
    std::memcpy(ip.bytes.data(), &v6.sin6_addr, ip.bytes.size());
    port = ntohs(v6.sin6_port);
  } else {
    return {};
  }
  return {to_string(ip), port, ip};
}

}  // namespace holdfast
