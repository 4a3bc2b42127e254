#include "integration/discovery/wire_client.h"

#include <array>
#include <cstdlib>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/bytes.h"

namespace holdfast::test {

namespace {

constexpr timeval kPatience{20, 0};

sockaddr_in address_of(std::string const& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

int connect_from(std::string const& from, int port) {
  int const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  sockaddr_in const own = address_of(from, 0);
  sockaddr_in const to = address_of("127.0.0.1", port);
  if (::bind(fd, reinterpret_cast<sockaddr const*>(&own), sizeof own) == 0 &&
      ::connect(fd, reinterpret_cast<sockaddr const*>(&to), sizeof to) == 0) {
    return fd;
  }
  ::close(fd);
  return -1;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const count = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::string queued_errors() {
  std::string text;
  while (unsigned long const error = ERR_get_error()) {
    char const* const reason = ERR_reason_error_string(error);
    text += (text.empty() ? "" : "; ") + std::string(reason == nullptr ? "?" : reason);
  }
  return text;
}

/// How long the answer at the front of `bytes` is; 0 while it is not whole.
std::size_t answer_bytes(std::string const& bytes, bool has_body) {
  std::size_t const end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  std::string const length = field_of(bytes, "Content-Length");
  std::size_t const body = has_body ? std::strtoull(length.c_str(), nullptr, 10) : 0;
  return bytes.size() < end + 4 + body ? 0 : end + 4 + body;
}

}  // namespace

int keep_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<WireClient*>(SSL_get_app_data(ssl))->session_.reset(session);
  return 1;
}

WireClient::WireClient(int port, WireOptions options) : socket_(connect_from(options.from, port)) {
  ok_ = socket_ >= 0 && send_all(socket_, options.preamble);
  if (ok_ && options.tls) shake_hands(options);
}

WireClient::~WireClient() {
  if (ssl_ && ok_) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  if (socket_ >= 0) ::close(socket_);
}

void WireClient::shake_hands(WireOptions const& options) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_security_level(context_.get(), 0);  // Else it would not even try TLS 1.1.
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context_.get(), options.version);
    SSL_CTX_set_max_proto_version(context_.get(), options.version);
  }
  SSL_CTX_set_session_cache_mode(context_.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context_.get(), &keep_session);
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_fd(ssl_.get(), socket_);
  if (!options.alpn.empty()) {
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<unsigned char const*>(options.alpn.data()),
                        static_cast<unsigned>(options.alpn.size()));
  }
  if (!options.server_name.empty())
    SSL_set_tlsext_host_name(ssl_.get(), options.server_name.c_str());
  if (options.session != nullptr) {
    // A copy: OpenSSL does not use one a second time with TLS 1.3.
    TlsSession const copy(SSL_SESSION_dup(options.session));
    SSL_set_session(ssl_.get(), copy.get());
  }
  ERR_clear_error();
  ok_ = SSL_connect(ssl_.get()) == 1;
  failure_ = queued_errors();
}

std::string WireClient::alpn() const {
  unsigned char const* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<char const*>(name), size};
}

TlsSession WireClient::take_session() {
  // Of a resumed TLS 1.2 session OpenSSL tells no callback.
  if (!session_ && ssl_) session_.reset(SSL_get1_session(ssl_.get()));
  return std::move(session_);
}

std::string WireClient::pin() const {
  X509* const certificate = SSL_get1_peer_certificate(ssl_.get());
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  X509_free(certificate);
  return to_hex({digest.data(), size});
}

bool WireClient::send(std::string_view bytes) {
  if (!ssl_) return send_all(socket_, bytes);
  std::size_t count = 0;
  while (!bytes.empty()) {
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count) != 1) return false;
    bytes.remove_prefix(count);
  }
  return true;
}

void WireClient::finish_sending() {
  if (ssl_) SSL_shutdown(ssl_.get());
  ::shutdown(socket_, SHUT_WR);
}

bool WireClient::receive_more() {
  std::array<char, 65'536> chunk;
  if (!ssl_) {
    ssize_t const got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (got > 0) received_.append(chunk.data(), static_cast<std::size_t>(got));
    ended_well_ = got == 0;
    return got > 0;
  }
  std::size_t count = 0;
  int const result = SSL_read_ex(ssl_.get(), chunk.data(), chunk.size(), &count);
  if (result == 1) received_.append(chunk.data(), count);
  ended_well_ = result != 1 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN;
  ERR_clear_error();
  return result == 1;
}

std::string WireClient::answer(bool has_body) {
  while (answer_bytes(received_, has_body) == 0) {
    if (!receive_more()) return {};
  }
  std::size_t const size = answer_bytes(received_, has_body);
  std::string whole = received_.substr(0, size);
  received_.erase(0, size);
  return whole;
}

std::string WireClient::rest() {
  while (receive_more()) {
  }
  return std::exchange(received_, {});
}

std::string get_request(std::string const& target, std::string const& more) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + more + "\r\n";
}

int status_of(std::string const& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

std::string body_of(std::string const& answer) {
  std::size_t const end = answer.find("\r\n\r\n");
  return end == std::string::npos ? std::string() : answer.substr(end + 4);
}

std::string field_of(std::string const& answer, std::string const& name) {
  std::size_t const head_end = answer.find("\r\n\r\n");
  std::size_t at = answer.find("\r\n");
  while (at != std::string::npos && at < head_end) {
    std::size_t const line = at + 2;
    std::size_t const next = answer.find("\r\n", line);
    if (answer.compare(line + name.size(), 2, ": ") == 0 &&
        ::strncasecmp(answer.c_str() + line, name.c_str(), name.size()) == 0) {
      return answer.substr(line + name.size() + 2, next - line - name.size() - 2);
    }
    at = next;
  }
  return {};
}

std::string without_date(std::string answer) {
  std::size_t at = 0;
  while ((at = answer.find("\r\nDate: ", at)) != std::string::npos)
    answer.erase(at, answer.find("\r\n", at + 2) - at);
  return answer;
}

}  // namespace holdfast::test
