#include "serve/connection.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace holdfast {

/// What OpenSSL reads from and writes to: the socket through the connection's own rules.
struct Connection::Bio {
  static Connection& connection_of(BIO* bio) {
    return *static_cast<Connection*>(BIO_get_data(bio));
  }

  static int read(BIO* bio, char* into, int size) {
    Connection& connection = connection_of(bio);
    BIO_clear_retry_flags(bio);
    int const count = connection.receive(into, static_cast<std::size_t>(size), 0);
    if (count < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    return count;
  }
  static int write(BIO* bio, char const* bytes, int size) {
    BIO_clear_retry_flags(bio);
    connection_of(bio).output_.append(bytes, static_cast<std::size_t>(size));
    return size;
  }
  static long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static BIO_METHOD* method() {
    static BIO_METHOD* const kMade = [] {
      BIO_METHOD* const fresh =
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "holdfast");
      HOLDFAST_CHECK(fresh != nullptr);
      BIO_meth_set_read(fresh, &Bio::read);
      BIO_meth_set_write(fresh, &Bio::write);
      BIO_meth_set_ctrl(fresh, &Bio::control);
      BIO_meth_set_create(fresh, &Bio::create);
      return fresh;
    }();
    return kMade;
  }
};

Connection::Connection(int socket, PeerAddress peer, SSL_CTX* context, std::string& output)
    : socket_(socket),
      peer_(std::move(peer)),
      ssl_(context != nullptr ? SSL_new(context) : nullptr),
      output_(output) {
  if (context == nullptr) return;
  BIO* const bio = BIO_new(Bio::method());
  HOLDFAST_CHECK(ssl_ != nullptr && bio != nullptr);  // Out of memory.
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

Connection::~Connection() {
  ssl_.reset();
  ::close(socket_);
}

/// As recv(2); EAGAIN without asking when the socket was emptied and no edge has come since.
int Connection::receive(char* into, std::size_t size, int flags) {
  if (drained_) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t count = 0;
  do {
    count = ::recv(socket_, into, size, flags);
  } while (count < 0 && errno == EINTR);
  // After the client has closed its side no edge comes any more: ask until the end is read.
  bool const emptied = count < 0 ? errno == EAGAIN : static_cast<std::size_t>(count) < size;
  if (emptied && count != 0 && !hung_up_) drained_ = true;
  if (count == 0) ended_ = true;
  return static_cast<int>(count);
}

/// After an OpenSSL call that returned `result` <= 0.
Connection::Status Connection::status_of(int result) {
  int const error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return Status::WouldBlock;
  spoke_in_clear_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  ERR_clear_error();
  if (error != SSL_ERROR_ZERO_RETURN) return Status::Failed;
  ended_ = true;
  return Status::Closed;
}

Connection::Status Connection::handshake() {
  if (!ssl_) return Status::Ok;
  int const result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Status::Ok : status_of(result);
}

Connection::Status Connection::read(std::span<char> into, std::size_t& count) {
  if (ssl_) {
    int const result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    return result == 1 ? Status::Ok : status_of(result);
  }
  int const result = receive(into.data(), into.size(), 0);
  if (result < 0) return errno == EAGAIN ? Status::WouldBlock : Status::Failed;
  count = static_cast<std::size_t>(result);
  return result == 0 ? Status::Closed : Status::Ok;
}

Connection::Status Connection::peek_raw(std::span<char> into, std::size_t& count) {
  int const result = receive(into.data(), into.size(), MSG_PEEK);
  if (result < 0) return errno == EAGAIN ? Status::WouldBlock : Status::Failed;
  count = static_cast<std::size_t>(result);
  return result == 0 ? Status::Closed : Status::Ok;
}

void Connection::skip_raw(std::size_t count) {
  drained_ = false;
  std::string ignored(count, '\0');
  [[maybe_unused]] ssize_t const skipped = ::recv(socket_, ignored.data(), count, 0);
}

Connection::Status Connection::discard(std::span<char> scratch) {
  int const result = receive(scratch.data(), scratch.size(), 0);
  if (result < 0) return errno == EAGAIN ? Status::WouldBlock : Status::Failed;
  return result == 0 ? Status::Closed : Status::Ok;
}

bool Connection::write(std::string_view bytes) {
  if (!ssl_) {
    output_.append(bytes);
    return true;
  }
  std::size_t written = 0;
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) == 1) return true;
  ERR_clear_error();
  return false;
}

void Connection::say_goodbye() {
  if (!ssl_ || SSL_is_init_finished(ssl_.get()) != 1) return;
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

Connection::Status Connection::flush() {
  if (unsent_bytes() > 0) unsent_.append(output_);
  std::string& source = unsent_bytes() > 0 ? unsent_ : output_;
  std::size_t sent = unsent_bytes() > 0 ? sent_ : 0;
  bool failed = false;
  while (sent < source.size() && !failed) {
    ssize_t const count = ::send(socket_, source.data() + sent, source.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      break;
    } else {
      failed = errno != EINTR;
    }
  }
  bool const done = sent == source.size();
  if (&source == &output_ && !done) unsent_.assign(output_, sent);
  output_.clear();
  sent_ = &source == &unsent_ ? sent : 0;
  if (failed) return Status::Failed;
  if (!done) return Status::WouldBlock;
  std::string().swap(unsent_);
  sent_ = 0;
  return Status::Ok;
}

void Connection::shut_down_writing() { ::shutdown(socket_, SHUT_WR); }

}  // namespace holdfast
