#pragma once

#include <memory>

#include <openssl/ssl.h>

#include "base/result.h"
#include "serve/certificate.h"

namespace holdfast {

class TicketKeyring;

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using OwnedSsl = std::unique_ptr<SSL, SslFree>;
using OwnedSslContext = std::unique_ptr<SSL_CTX, SslFree>;

/// A TLS context for servers: TLS 1.3 and 1.2 (with forward secrecy and AEAD only), one session ticket under the keys
/// of `keyring`, no session cache, HTTP/1.1 by ALPN, no renegotiation, compression or early data; X25519 before P-256;
/// AES-128-GCM first, ChaCha20 for clients that put it first.
/// `keyring`: borrowed for the life of the context and of every connection made with it.
/// Errors: Malformed with OpenSSL's reason.
Result<OwnedSslContext> make_server_context(CertificateFiles const& files, TicketKeyring& keyring);

}  // namespace holdfast
