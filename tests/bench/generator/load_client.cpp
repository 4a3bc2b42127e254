#include "load_client.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

namespace load {

Client::Client(sockaddr_in const& server, SSL_CTX* context, SSL_SESSION* session, bool small_window)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      ssl_(SSL_new(context)) {
  int const on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int const window = 4096;
  if (small_window) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
  ::connect(socket_, reinterpret_cast<sockaddr const*>(&server), sizeof server);
  SSL_set_fd(ssl_.get(), socket_);
  SSL_set_tlsext_host_name(ssl_.get(), "localhost");
  if (session != nullptr) SSL_set_session(ssl_.get(), session);
  SSL_set_connect_state(ssl_.get());
}

Client::~Client() {
  ssl_.reset();
  ::close(socket_);
}

void Client::send(std::string_view request) {
  request_ = request;
  answer_.clear();
  sent_at_ = Clock::now();
}

Client::State Client::go_on() {
  ERR_clear_error();
  if (!secured_) {
    int const result = SSL_do_handshake(ssl_.get());
    if (result != 1) {
      int const error = SSL_get_error(ssl_.get(), result);
      return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? State::Busy
                                                                           : State::Failed;
    }
    secured_ = true;
  }
  if (!request_.empty()) {
    std::size_t written = 0;
    if (SSL_write_ex(ssl_.get(), request_.data(), request_.size(), &written) == 1) {
      request_ = {};
    } else if (SSL_get_error(ssl_.get(), 0) != SSL_ERROR_WANT_WRITE) {
      return State::Failed;
    }
  }
  std::array<char, 16'384> chunk;
  while (true) {
    int const count = SSL_read(ssl_.get(), chunk.data(), static_cast<int>(chunk.size()));
    if (count <= 0) {
      return SSL_get_error(ssl_.get(), count) == SSL_ERROR_WANT_READ ? State::Busy : State::Failed;
    }
    answer_.append(chunk.data(), static_cast<std::size_t>(count));
    if (whole_answer()) return State::Answered;
  }
}

bool Client::whole_answer() {
  std::size_t const end = answer_.find("\r\n\r\n");
  if (end == std::string::npos || answer_.size() < 12) return false;
  status_ = std::atoi(answer_.c_str() + 9);
  std::size_t const field = answer_.find("Content-Length: ");
  std::size_t length = 0;
  if (field < end) length = std::strtoull(answer_.c_str() + field + 16, nullptr, 10);
  if (answer_.size() < end + 4 + length) return false;
  answer_.clear();
  return true;
}

bool Client::dribble(std::string_view bytes) {
  ERR_clear_error();
  if (!secured_) {
    int const result = SSL_do_handshake(ssl_.get());
    secured_ = result == 1;
    return secured_ || SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
  }
  std::size_t written = 0;
  int const result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
  return result == 1 || SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_WRITE;
}

}  // namespace load
