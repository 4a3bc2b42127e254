#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "serve/message.h"
#include "serve/tls.h"

namespace holdfast {

/// One accepted socket, with TLS or in clear. Nothing here waits: what cannot be done now says so.
///
/// Rules:
///  1. What is to be sent is gathered in the loop's `output`, encrypted, and goes out with flush(): a session ticket, an
///     answer and the end of the TLS session are one segment. What the socket does not take is kept here.
///  2. Whoever uses the connection flushes before another one of the same loop is used.
///  3. The socket is watched edge-triggered: on_readiness() tells of an edge; a read that got less than it asked for
///     has emptied the socket, and no further call is made before the next edge.
///  4. An idle connection has no buffer, neither here nor in OpenSSL.
///
/// Used by its loop's thread only. Owns the socket.
class Connection {
 public:
  enum class Status : std::uint8_t { Ok, WouldBlock, Closed, Failed };

  /// `context`: null for clear text. `output`: the loop's, empty between uses.
  Connection(int socket, PeerAddress peer, SSL_CTX* context, std::string& output);
  ~Connection();
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  void on_readiness(bool hung_up) {
    drained_ = false;
    hung_up_ = hung_up_ || hung_up;
  }

  /// Ok at once in clear text.
  Status handshake();
  /// Whether the handshake failed because the client sent an HTTP request instead.
  bool spoke_in_clear() const { return spoke_in_clear_; }
  bool resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  /// Decrypted bytes. `count`: how many, when Ok.
  Status read(std::span<char> into, std::size_t& count);
  /// Whether read() may have more without a new edge.
  bool may_read_more() const {
    return !ended_ && (!drained_ || (ssl_ && SSL_has_pending(ssl_.get()) == 1));
  }

  /// Bytes as they come from the socket, before any TLS; they stay there until skip_raw().
  Status peek_raw(std::span<char> into, std::size_t& count);
  void skip_raw(std::size_t count);
  /// Reads away up to one buffer of what the client still sends. Ok: there may be more.
  Status discard(std::span<char> scratch);

  /// Adds to the output. Returns: false if TLS cannot go on; then close.
  bool write(std::string_view bytes);
  /// Adds TLS's own good-bye, once.
  void say_goodbye();
  /// Ok: everything is with the kernel. WouldBlock: the rest is kept (unsent_bytes()).
  Status flush();
  std::size_t unsent_bytes() const { return unsent_.size() - sent_; }
  /// Tells the client that nothing more will come, below TLS.
  void shut_down_writing();

  int socket() const { return socket_; }
  PeerAddress const& peer() const { return peer_; }
  void set_peer(PeerAddress peer) { peer_ = std::move(peer); }

 private:
  struct Bio;
  Status status_of(int result);
  int receive(char* into, std::size_t size, int flags);

  int socket_;
  bool drained_ = false;
  bool hung_up_ = false;
  bool spoke_in_clear_ = false;
  bool ended_ = false;  ///< The client has said that nothing more comes.
  PeerAddress peer_;
  OwnedSsl ssl_;
  std::string& output_;
  std::string unsent_;    ///< Encrypted; grows only while the socket takes nothing.
  std::size_t sent_ = 0;  ///< Of unsent_.
};

}  // namespace holdfast
