#include "integration/discovery/name_server.h"

#include <array>
#include <cstring>
#include <fstream>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast::test {

namespace {

constexpr std::size_t kHeaderBytes = 12;

sockaddr_in address_of(std::string const& ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

ifreq interface_named(char const* name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  return request;
}

bool set_address(int fd, char const* name, std::string const& ip) {
  ifreq request = interface_named(name);
  sockaddr_in const address = address_of(ip, 0);
  std::memcpy(&request.ifr_addr, &address, sizeof address);
  return ::ioctl(fd, SIOCSIFADDR, &request) == 0;
}

bool raise_loopback(std::string const& extra_address) {
  int const fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request = interface_named("lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  bool const done =
      ::ioctl(fd, SIOCSIFFLAGS, &request) == 0 && set_address(fd, "lo:1", extra_address);
  ::close(fd);
  return done;
}

}  // namespace

bool enter_lab(std::string const& extra_address, std::string const& folder) {
  std::string const resolver = folder + "/resolv.conf";
  std::ofstream(resolver) << "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
  return ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount(resolver.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) == 0 &&
         raise_loopback(extra_address);
}

NameServer::NameServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in const own = address_of("127.0.0.1", 53);
  EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr const*>(&own), sizeof own), 0);
  thread_ = std::thread([this] { run(); });
}

NameServer::~NameServer() {
  // An empty datagram ends the thread: shutdown() does not wake who waits on UDP everywhere.
  sockaddr_in const own = address_of("127.0.0.1", 53);
  int const waker = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ::sendto(waker, "", 0, 0, reinterpret_cast<sockaddr const*>(&own), sizeof own);
  thread_.join();
  ::close(waker);
  ::close(socket_);
}

void NameServer::answer(std::vector<std::vector<std::string>> addresses) {
  MutexLock const lock(mutex_);
  answers_.assign(addresses.begin(), addresses.end());
}

int NameServer::questions() const {
  MutexLock const lock(mutex_);
  return questions_;
}

void NameServer::run() {
  std::array<char, 512> buffer{};
  while (true) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    ssize_t const count = ::recvfrom(socket_, buffer.data(), buffer.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
    if (count <= 0) return;
    std::string const reply = reply_to({buffer.data(), static_cast<std::size_t>(count)});
    ::sendto(socket_, reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
}

/// RFC 1035, section 4: header, the one question again, and an A record for each address, to be forgotten at once.
std::string NameServer::reply_to(std::string const& question) {
  std::size_t const name_end = question.find('\0', kHeaderBytes);
  if (name_end == std::string::npos || question.size() < name_end + 5) return {};
  std::string const asked = question.substr(kHeaderBytes, name_end + 5 - kHeaderBytes);
  bool const is_a = question[name_end + 1] == 0 && question[name_end + 2] == 1;
  std::vector<std::string> addresses;
  if (is_a) {
    MutexLock const lock(mutex_);
    ++questions_;
    if (!answers_.empty()) addresses = answers_.front();
    if (answers_.size() > 1) answers_.pop_front();
  }
  std::string reply = question.substr(0, 2) + std::string("\x81\x80\0\1\0", 5);
  reply += static_cast<char>(addresses.size());
  reply += std::string(4, '\0') + asked;
  for (std::string const& each : addresses) {
    in_addr raw{};
    ::inet_pton(AF_INET, each.c_str(), &raw);
    reply += std::string("\xc0\x0c\0\1\0\1\0\0\0\0\0\4", 12);
    reply.append(reinterpret_cast<char const*>(&raw), sizeof raw);
  }
  return reply;
}

}  // namespace holdfast::test
