#include "integration/discovery/lab_node.h"

#include <array>
#include <utility>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "wire/transport.h"

namespace holdfast::test {

namespace {

/// A socket that holds an address, which others may hold too. Returns: the port.
std::uint16_t bind_to(int fd, std::string const& host, std::uint16_t port) {
  int const on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << host;
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

}  // namespace

LabNode::LabNode(KeyPair const& keys, std::string const& host, std::uint16_t port)
    : keys_(keys), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // The port must stay ours while nobody listens there. The kernel takes back one that it chose by itself, and none that
  // was asked for.
  int const chooser = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  port_ = bind_to(chooser, host, port);
  bind_to(listener_, host, port_);
  ::close(chooser);
  come_back();
}

LabNode::~LabNode() {
  vanish();
  ::close(listener_);
}

void LabNode::come_back() {
  EXPECT_EQ(::listen(listener_, 64), 0);
  thread_ = std::thread([this] { run(); });
}

void LabNode::vanish() {
  if (!thread_.joinable()) return;
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
}

void LabNode::run() {
  for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
    ++connections_;
    serve(client);
    ::close(client);
  }
}

void LabNode::serve(int client) {
  timeval const patience{2, 0};
  ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  wire::Transport transport(wire::Role::Responder, keys_, {});
  std::array<Byte, 2048> input{};
  bool done = false;
  while (true) {
    ssize_t const count = ::recv(client, input.data(), input.size(), 0);
    if (count <= 0) return;
    if (!transport.receive({input.data(), static_cast<std::size_t>(count)})) return;
    Bytes const output = transport.take_output();
    ::send(client, output.data(), output.size(), MSG_NOSIGNAL);
    if (!std::exchange(done, transport.handshake_hash().has_value()) &&
        transport.handshake_hash().has_value())
      ++handshakes_;
  }
}

}  // namespace holdfast::test
