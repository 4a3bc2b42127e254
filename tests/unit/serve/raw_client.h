#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace holdfast {

/// A blocking TCP client that sends exactly what a test says; in clear.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  ~RawClient();
  RawClient(RawClient const&) = delete;
  RawClient& operator=(RawClient const&) = delete;

  void send(std::string_view bytes);
  /// One whole answer: head and as much body as it announces. Empty when the server closes first.
  std::string answer();
  /// Everything until the server closes.
  std::string rest();
  void finish_sending();
  int socket() const { return socket_; }

 private:
  bool receive_more();

  int socket_;
  std::string received_;
};

struct TlsFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using TlsSession = std::unique_ptr<SSL_SESSION, TlsFree>;

/// What one HTTPS request led to.
struct TlsResult {
  bool ok = false;
  bool resumed = false;
  std::string answer;
  std::string pin;     ///< SHA-256 of the server's certificate, in hex.
  TlsSession session;  ///< The last one that a ticket came for.
};

/// Connects, shakes hands with `version` (TLS1_2_VERSION, TLS1_3_VERSION), sends `request`, reads one answer.
/// `session`: to resume, or null.
TlsResult tls_request(std::uint16_t port, int version, std::string_view request,
                      SSL_SESSION* session = nullptr);

}  // namespace holdfast
