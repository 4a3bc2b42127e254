#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <openssl/ssl.h>

namespace load {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Clock = std::chrono::steady_clock;

/// One connection to the server under test: connects, shakes hands, sends a request, reads the answer, again.
/// Non-blocking; the caller watches the socket for reading and writing, edge-triggered.
class Client {
 public:
  enum class State : std::uint8_t { Busy, Answered, Failed };

  /// `session`: to resume, or null. Borrowed for the call. `small_window`: takes little that is not read.
  Client(sockaddr_in const& server, SSL_CTX* context, SSL_SESSION* session, bool small_window);
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  /// Requires: no request is under way. `request`: borrowed until it is answered.
  void send(std::string_view request);
  /// Does what can be done now. Answered: once for each request.
  State go_on();
  /// Writes what of `bytes` fits now, past any request. Returns: whether the connection still stands.
  bool dribble(std::string_view bytes);

  int socket() const { return socket_; }
  bool is_secured() const { return secured_; }
  bool resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  int status() const { return status_; }
  Clock::time_point sent_at() const { return sent_at_; }
  /// Tells the other side that we go.
  void say_goodbye() { SSL_shutdown(ssl_.get()); }

 private:
  bool whole_answer();

  int socket_;
  std::unique_ptr<SSL, SslFree> ssl_;
  bool secured_ = false;
  std::string_view request_;
  std::string answer_;
  int status_ = 0;
  Clock::time_point sent_at_{};
};

}  // namespace load
