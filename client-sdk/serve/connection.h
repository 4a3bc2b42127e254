#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include "base/result.h"
#include "serve/message.h"

namespace holdfast {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using OwnedSslContext = std::unique_ptr<SSL_CTX, SslFree>;

/// A TLS context for servers: TLS 1.2 and up, one session ticket, HTTP/1.1 by ALPN, no renegotiation.
/// Errors: Malformed with OpenSSL's reason.
Result<OwnedSslContext> make_server_context(std::string const& certificate_path,
                                            std::string const& key_path);

/// One accepted socket, with TLS or in clear. Non-blocking underneath; every call waits at most until its deadline.
/// Used by one thread at a time. Owns the socket.
class Connection {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  enum class Status : std::uint8_t { Ok, Closed, TimedOut, Failed };

  /// `context`: null for clear text.
  Connection(int socket, PeerAddress peer, SSL_CTX* context);
  ~Connection();
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  /// Does nothing in clear text or when it is done already.
  Status handshake(Deadline deadline);
  /// Appends at least one byte to `to` when Ok; at most 16 KiB.
  Status read_some(std::string& to, Deadline deadline);
  Status write_all(std::string_view bytes, Deadline deadline);
  /// Says that nothing more will come, and reads away what the client still sends (bounded), so that it sees our last
  /// answer instead of a reset.
  void finish();

  /// Whether decrypted bytes wait here that the socket no longer shows.
  bool has_buffered_input() const;
  int socket() const { return socket_; }
  PeerAddress const& peer() const { return peer_; }

 private:
  Status wait_for(int result, Deadline deadline);
  Status wait_socket(short events, Deadline deadline) const;

  int socket_;
  PeerAddress peer_;
  std::unique_ptr<SSL, SslFree> ssl_;
  bool secured_ = false;
};

}  // namespace holdfast
