#include "raw_client.h"

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

namespace holdfast {

namespace {

int connect_to(std::uint16_t port) {
  int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

/// How long the answer at the front of `bytes` is; 0 while it is not whole.
std::size_t answer_bytes(std::string const& bytes) {
  std::size_t const end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  std::size_t const field = bytes.find("Content-Length: ");
  std::size_t const length =
      field < end ? std::strtoull(bytes.c_str() + field + 16, nullptr, 10) : 0;
  return bytes.size() < end + 4 + length ? 0 : end + 4 + length;
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsResult*>(SSL_get_app_data(ssl))->session.reset(session);
  return 1;
}

std::string pin_of(SSL* ssl) {
  X509* const certificate = SSL_get1_peer_certificate(ssl);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  X509_free(certificate);
  return to_hex({digest.data(), size});
}

}  // namespace

RawClient::RawClient(std::uint16_t port) : socket_(connect_to(port)) {}

RawClient::~RawClient() { ::close(socket_); }

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void RawClient::finish_sending() { ::shutdown(socket_, SHUT_WR); }

bool RawClient::receive_more() {
  std::array<char, 65'536> chunk;
  ssize_t const count = ::recv(socket_, chunk.data(), chunk.size(), 0);
  if (count > 0) received_.append(chunk.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::string RawClient::answer() {
  while (answer_bytes(received_) == 0) {
    if (!receive_more()) return {};
  }
  std::size_t const size = answer_bytes(received_);
  std::string const whole = received_.substr(0, size);
  received_.erase(0, size);
  return whole;
}

std::string RawClient::rest() {
  while (receive_more()) {
  }
  return std::move(received_);
}

TlsResult tls_request(std::uint16_t port, int version, std::string_view request,
                      SSL_SESSION* session) {
  TlsResult result;
  std::unique_ptr<SSL_CTX, TlsFree> const context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), version);
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context.get(), &keep_session);
  int const fd = connect_to(port);
  std::unique_ptr<SSL, TlsFree> const ssl(SSL_new(context.get()));
  SSL_set_app_data(ssl.get(), &result);
  SSL_set_fd(ssl.get(), fd);
  if (session != nullptr) SSL_set_session(ssl.get(), session);
  std::size_t count = 0;
  if (SSL_connect(ssl.get()) == 1 &&
      SSL_write_ex(ssl.get(), request.data(), request.size(), &count) == 1) {
    std::array<char, 65'536> chunk;
    while (answer_bytes(result.answer) == 0 &&
           SSL_read_ex(ssl.get(), chunk.data(), chunk.size(), &count) == 1) {
      result.answer.append(chunk.data(), count);
    }
    result.ok = answer_bytes(result.answer) > 0;
    result.resumed = SSL_session_reused(ssl.get()) == 1;
    result.pin = pin_of(ssl.get());
    SSL_shutdown(ssl.get());
  }
  ::close(fd);
  return result;
}

}  // namespace holdfast
