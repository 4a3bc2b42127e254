#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace holdfast::test {

struct TlsFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using TlsSession = std::unique_ptr<SSL_SESSION, TlsFree>;

/// What a client is like; by default one that speaks TLS as OpenSSL does.
struct WireOptions {
  int version = 0;                 ///< TLS1_2_VERSION, …; 0: whatever is agreed.
  std::string alpn{};              ///< In wire form: each name behind its length.
  std::string server_name{};       ///< Empty: no SNI.
  SSL_SESSION* session = nullptr;  ///< To resume.
  bool tls = true;
  std::string from = "127.0.0.1";  ///< Its own address, anywhere in 127.0.0.0/8.
  std::string preamble{};          ///< Sent before TLS begins.
};

/// A blocking client that sends exactly what a test says, and checks no certificate. Gives up after 20 s of silence.
class WireClient {
 public:
  explicit WireClient(int port, WireOptions options = {});
  ~WireClient();
  WireClient(WireClient const&) = delete;
  WireClient& operator=(WireClient const&) = delete;

  /// Whether there is a connection, with TLS if it was wanted.
  bool ok() const { return ok_; }
  /// What OpenSSL says about a handshake that failed.
  std::string const& failure() const { return failure_; }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  std::string alpn() const;
  int version() const { return SSL_version(ssl_.get()); }
  std::string pin() const;  ///< SHA-256 of the certificate, in hex.

  bool send(std::string_view bytes);
  void finish_sending();
  /// One whole answer: head and as much body as it announces. Empty when the connection ends first.
  /// `has_body`: false for answers to HEAD.
  std::string answer(bool has_body = true);
  /// Everything until the connection ends.
  std::string rest();
  /// Whether the server has ended the connection properly (with TLS: said so), once all is read.
  bool ended_well() const { return ended_well_; }
  /// The last session that a ticket came for.
  TlsSession take_session();

 private:
  friend int keep_session(SSL* ssl, SSL_SESSION* session);
  bool receive_more();
  void shake_hands(WireOptions const& options);

  int socket_ = -1;
  bool ok_ = false;
  bool ended_well_ = false;
  std::string failure_;
  std::string received_;
  std::unique_ptr<SSL_CTX, TlsFree> context_;
  std::unique_ptr<SSL, TlsFree> ssl_;
  TlsSession session_;
};

/// GET with Host, and `more` header lines (each with its CR LF).
std::string get_request(std::string const& target, std::string const& more = "");
int status_of(std::string const& answer);
std::string body_of(std::string const& answer);
/// Empty without such a field.
std::string field_of(std::string const& answer, std::string const& name);
std::string without_date(std::string answer);

}  // namespace holdfast::test
