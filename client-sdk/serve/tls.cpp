#include "serve/tls.h"

#include <array>
#include <string>

#include <openssl/err.h>

#include "serve/ticket_keyring.h"

namespace holdfast {

namespace {

constexpr char kTls12Ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kTls13Ciphers[] =
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
constexpr char kGroups[] = "X25519:P-256:P-384";
constexpr unsigned char kSessionContext[] = "holdfast";

std::string openssl_reason() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

// NOLINTNEXTLINE(readability-function-size): as OpenSSL declares it.
int choose_http11(SSL* /*ssl*/, unsigned char const** out, unsigned char* out_size,
                  unsigned char const* offered, unsigned offered_size, void* /*argument*/) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  int const found =
      SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, offered, offered_size);
  // RFC 7301, 3.2. Going on without would have a client for HTTP/2 only talk into the void.
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

bool set_algorithms(SSL_CTX* context) {
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kTls12Ciphers) == 1 &&
         SSL_CTX_set_ciphersuites(context, kTls13Ciphers) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1;
}

void set_behaviour(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_NO_AUTO_CHAIN);
  // Else OpenSSL asks the socket for five bytes of each record first, and then for the rest.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
  SSL_CTX_set_alpn_select_cb(context, &choose_http11, nullptr);
}

}  // namespace

Result<OwnedSslContext> make_server_context(CertificateFiles const& files, TicketKeyring& keyring) {
  OwnedSslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context || !set_algorithms(context.get()))
    return Unexpected(ErrorCode::Malformed, "TLS cannot start: " + openssl_reason());
  set_behaviour(context.get());
  keyring.install(context.get());
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate_path.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), files.key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Unexpected(ErrorCode::Malformed, "cannot use the certificate " + files.certificate_path +
                                                ": " + openssl_reason());
  }
  return context;
}

}  // namespace holdfast
