#include "serve/listen_socket.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast {

namespace {

constexpr int kBacklog =
    511;  // As nginx and Redis have it; the kernel caps it at net.core.somaxconn.

struct FreeList {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

Result<int> listen_on(addrinfo const& address, std::string const& name) {
  auto const fail = [&name](int code) {
    return Unexpected(ErrorCode::Unavailable,
                      "cannot listen on " + name + ": " + std::generic_category().message(code));
  };
  int const fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(errno);
  int const on = 1;
  int const off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // "::" takes IPv4 too.
  if (address.ai_family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd, address.ai_addr, address.ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0) {
    int const code = errno;
    ::close(fd);
    return fail(code);
  }
  return fd;
}

}  // namespace

Result<int> open_listen_socket(std::string const& host, std::uint16_t port) {
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
  return listen_on(*list, name);
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
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    auto const& v4 = reinterpret_cast<sockaddr_in const&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), ntohs(v4.sin_port)};
  }
  if (address.ss_family != AF_INET6) return {};
  auto const& v6 = reinterpret_cast<sockaddr_in6 const&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  }
  return {text.data(), ntohs(v6.sin6_port)};
}

}  // namespace holdfast
