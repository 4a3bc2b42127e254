#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <openssl/ssl.h>

#include "base/mutex.h"
#include "serve/ticket_keys.h"

namespace holdfast {

/// The ticket keys a server uses right now, where OpenSSL asks for them. Until it is given keys it makes its own, and
/// renews them.
///
/// Thread-safety: all functions may be called from any thread.
class TicketKeyring {
 public:
  TicketKeyring();
  ~TicketKeyring();
  TicketKeyring(TicketKeyring const&) = delete;
  TicketKeyring& operator=(TicketKeyring const&) = delete;

  /// `now_unix_s`: by the clock that the keys' times are meant in; it is counted on from here. Why: an instance's own
  /// clock may be wrong.
  void set(TicketKeys keys, std::int64_t now_unix_s);
  /// Makes `context` ask this, which must outlive it.
  void install(SSL_CTX* context);

 private:
  struct Algorithms;
  struct Snapshot {
    std::shared_ptr<TicketKeys const> keys;
    std::int64_t now_unix_s = 0;
  };
  Snapshot snapshot();
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int encrypting);
  int make(Snapshot const& now, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
           EVP_MAC_CTX* mac) const;
  int open(Snapshot const& now, unsigned char const* name, unsigned char const* iv,
           EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const;

  std::unique_ptr<Algorithms> const algorithms_;
  Mutex mutex_;
  std::shared_ptr<TicketKeys const> keys_ HOLDFAST_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point set_at_ HOLDFAST_GUARDED_BY(mutex_);
  std::int64_t set_at_unix_s_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  bool own_ HOLDFAST_GUARDED_BY(mutex_) = true;
};

}  // namespace holdfast
