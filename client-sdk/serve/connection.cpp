#include "serve/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

std::string openssl_reason() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return text.data();
}

int choose_http11(SSL* /*ssl*/, unsigned char const** out, unsigned char* out_size,
                  unsigned char const* offered, unsigned offered_size, void* /*argument*/) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  int const found =
      SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, offered, offered_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<OwnedSslContext> make_server_context(std::string const& certificate_path,
                                            std::string const& key_path) {
  OwnedSslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return Unexpected(ErrorCode::Malformed, "TLS cannot start: " + openssl_reason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_num_tickets(context.get(), 1);
  static constexpr unsigned char kSessionContext[] = "holdfast";
  SSL_CTX_set_session_id_context(context.get(), kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_alpn_select_cb(context.get(), &choose_http11, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_path.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Unexpected(ErrorCode::Malformed,
                      "cannot use the certificate " + certificate_path + ": " + openssl_reason());
  }
  return context;
}

Connection::Connection(int socket, PeerAddress peer, SSL_CTX* context)
    : socket_(socket),
      peer_(std::move(peer)),
      ssl_(context != nullptr ? SSL_new(context) : nullptr) {
  secured_ = context == nullptr;
  if (ssl_) {
    SSL_set_fd(ssl_.get(), socket_);
    SSL_set_accept_state(ssl_.get());
  }
}

Connection::~Connection() {
  ssl_.reset();
  ::close(socket_);
}

Connection::Status Connection::wait_socket(short events, Deadline deadline) const {
  while (true) {
    auto const left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now())
            .count();
    if (left <= 0) return Status::TimedOut;
    pollfd entry{socket_, events, 0};
    int const ready = ::poll(&entry, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready > 0) return Status::Ok;
    if (ready < 0 && errno != EINTR) return Status::Failed;
  }
}

/// After an OpenSSL call that returned `result` <= 0: waits for what it wants.
Connection::Status Connection::wait_for(int result, Deadline deadline) {
  int const error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return wait_socket(POLLIN, deadline);
  if (error == SSL_ERROR_WANT_WRITE) return wait_socket(POLLOUT, deadline);
  ERR_clear_error();
  return error == SSL_ERROR_ZERO_RETURN ? Status::Closed : Status::Failed;
}

Connection::Status Connection::handshake(Deadline deadline) {
  if (secured_) return Status::Ok;
  if (!ssl_) return Status::Failed;
  while (true) {
    ERR_clear_error();
    int const result = SSL_accept(ssl_.get());
    if (result == 1) {
      secured_ = true;
      return Status::Ok;
    }
    if (Status const status = wait_for(result, deadline); status != Status::Ok) return status;
  }
}

Connection::Status Connection::read_some(std::string& to, Deadline deadline) {
  std::array<char, kReadBytes> chunk;
  while (true) {
    ssize_t count = 0;
    Status status = Status::Ok;
    if (ssl_) {
      ERR_clear_error();
      count = SSL_read(ssl_.get(), chunk.data(), static_cast<int>(chunk.size()));
      if (count <= 0) status = wait_for(static_cast<int>(count), deadline);
    } else {
      count = ::recv(socket_, chunk.data(), chunk.size(), 0);
      if (count == 0) return Status::Closed;
      if (count < 0 && errno != EAGAIN && errno != EINTR) return Status::Failed;
      if (count < 0) status = wait_socket(POLLIN, deadline);
    }
    if (count > 0) {
      to.append(chunk.data(), static_cast<std::size_t>(count));
      return Status::Ok;
    }
    if (status != Status::Ok) return status;
  }
}

Connection::Status Connection::write_all(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    ssize_t count = 0;
    Status status = Status::Ok;
    if (ssl_) {
      ERR_clear_error();
      count = SSL_write(ssl_.get(), bytes.data(),
                        static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 30)));
      if (count <= 0) status = wait_for(static_cast<int>(count), deadline);
    } else {
      count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count < 0 && errno != EAGAIN && errno != EINTR) return Status::Failed;
      if (count < 0) status = wait_socket(POLLOUT, deadline);
    }
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    if (status != Status::Ok) return status;
  }
  return Status::Ok;
}

void Connection::finish() {
  constexpr std::chrono::milliseconds kLinger{200};
  constexpr int kReadsMax = 64;
  if (ssl_ && secured_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(socket_, SHUT_WR);
  Deadline const deadline = std::chrono::steady_clock::now() + kLinger;
  std::array<char, kReadBytes> chunk;
  for (int i = 0; i < kReadsMax; ++i) {
    ssize_t const count = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
    if (count < 0 && wait_socket(POLLIN, deadline) != Status::Ok) return;
  }
}

bool Connection::has_buffered_input() const { return ssl_ && SSL_pending(ssl_.get()) > 0; }

}  // namespace holdfast
