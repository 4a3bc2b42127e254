#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <openssl/ssl.h>

#include "base/mutex.h"
#include "serve/certificate.h"
#include "support/temporary_directory.h"

namespace holdfast::test {

/// What a connection does after the answer to a request.
enum class Then : std::uint8_t {
  Stay,    ///< Waits for the next request.
  Notify,  ///< Says so inside TLS, and closes.
  Drop,    ///< Closes without a word.
  Reset,   ///< Closes so that the other end's writes fail.
  Wait,    ///< Reset, when reset_now() is called.
};

/// One request: the bytes to answer with, and what comes then.
struct Turn {
  std::string answer;
  Then then = Then::Stay;
  bool head_is_enough = false;  ///< Does not wait for the body.
};

std::string answer_with(int status, std::string const& body, std::string const& headers = "");

/// A TLS server that follows a script: one line of turns for each connection, in order of arrival; then it is gone.
/// One connection at a time, because that is all a client that keeps its connection opens.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::vector<Turn>> script);
  ~ScriptedServer();
  ScriptedServer(ScriptedServer const&) = delete;
  ScriptedServer& operator=(ScriptedServer const&) = delete;

  std::uint16_t port() const { return port_; }
  std::string const& pin() const { return certificate_.pin; }
  /// Once.
  void reset_now() { resets_.set_value(); }
  /// Heads and bodies as they came.
  std::vector<std::string> requests() const;
  /// Waits until so many connections have been closed. Returns: false after ten seconds.
  bool wait_for_closed(std::size_t count) const;

 private:
  void run();
  void serve(int fd, std::vector<Turn> const& turns);
  /// Returns: false if the client closed first.
  bool read_request(SSL* ssl, bool head_is_enough);

  std::vector<std::vector<Turn>> const script_;
  support::TemporaryDirectory directory_;
  CertificateFiles certificate_;
  std::promise<void> resets_;
  SSL_CTX* context_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  std::vector<std::string> requests_ HOLDFAST_GUARDED_BY(mutex_);
  std::size_t closed_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace holdfast::test
