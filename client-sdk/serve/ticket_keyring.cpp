#include "serve/ticket_keyring.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/check.h"

namespace holdfast {

/// Fetched once: looking an algorithm up by name takes OpenSSL 3.0 longer than using it.
struct TicketKeyring::Algorithms {
  Algorithms() : cipher(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {
    HOLDFAST_CHECK(cipher != nullptr);
  }
  ~Algorithms() { EVP_CIPHER_free(cipher); }
  Algorithms(Algorithms const&) = delete;
  Algorithms& operator=(Algorithms const&) = delete;

  EVP_CIPHER* const cipher;
};

namespace {

int keyring_index() {
  static int const kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}

bool set_mac_key(EVP_MAC_CTX* mac, TicketKey const& key) {
  std::array<char, 7> digest{'S', 'H', 'A', '2', '5', '6', '\0'};
  std::array<Byte, 32> secret = key.hmac;
  std::array<OSSL_PARAM, 3> const params = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret.data(), secret.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params.data()) == 1;
}

}  // namespace

TicketKeyring::TicketKeyring() : algorithms_(std::make_unique<Algorithms>()) {
  std::int64_t const now = std::time(nullptr);
  MutexLock const lock(mutex_);
  keys_ = std::make_shared<TicketKeys const>(renewed({}, now));
  set_at_ = std::chrono::steady_clock::now();
  set_at_unix_s_ = now;
}

TicketKeyring::~TicketKeyring() = default;

void TicketKeyring::set(TicketKeys keys, std::int64_t now_unix_s) {
  auto shared = std::make_shared<TicketKeys const>(std::move(keys));
  MutexLock const lock(mutex_);
  keys_ = std::move(shared);
  set_at_ = std::chrono::steady_clock::now();
  set_at_unix_s_ = now_unix_s;
  own_ = false;
}

TicketKeyring::Snapshot TicketKeyring::snapshot() {
  MutexLock const lock(mutex_);
  auto const passed =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - set_at_);
  std::int64_t const now = set_at_unix_s_ + passed.count();
  constexpr std::chrono::minutes kRenewEvery{1};
  if (own_ && passed >= kRenewEvery) {
    keys_ = std::make_shared<TicketKeys const>(renewed(*keys_, now));
    set_at_ += passed;
    set_at_unix_s_ = now;
  }
  return {keys_, now};
}

void TicketKeyring::install(SSL_CTX* context) {
  SSL_CTX_set_ex_data(context, keyring_index(), this);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &TicketKeyring::on_ticket);
}

/// Returns: as OpenSSL wants it: -1 failed, 0 no ticket or not known, 1 go on, 2 go on and give a new one.
// NOLINTNEXTLINE(readability-function-size): as OpenSSL declares it.
int TicketKeyring::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv,
                             EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int encrypting) {
  auto* const keyring =
      static_cast<TicketKeyring*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keyring_index()));
  Snapshot const now = keyring->snapshot();
  return encrypting != 0 ? keyring->make(now, name, iv, cipher, mac)
                         : keyring->open(now, name, iv, cipher, mac);
}

int TicketKeyring::make(Snapshot const& now, unsigned char* name, unsigned char* iv,
                        EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const {
  TicketKey const* const key = now.keys->maker(now.now_unix_s);
  if (key == nullptr) return 0;
  std::copy(key->name.begin(), key->name.end(), name);
  bool const ok =
      RAND_bytes(iv, EVP_CIPHER_get_iv_length(algorithms_->cipher)) == 1 &&
      EVP_EncryptInit_ex2(cipher, algorithms_->cipher, key->aes.data(), iv, nullptr) == 1 &&
      set_mac_key(mac, *key);
  return ok ? 1 : -1;
}

int TicketKeyring::open(Snapshot const& now, unsigned char const* name, unsigned char const* iv,
                        EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) const {
  std::array<Byte, 16> wanted{};
  std::copy_n(name, wanted.size(), wanted.begin());
  TicketKey const* const key = now.keys->find(wanted, now.now_unix_s);
  if (key == nullptr) return 0;
  bool const ok =
      EVP_DecryptInit_ex2(cipher, algorithms_->cipher, key->aes.data(), iv, nullptr) == 1 &&
      set_mac_key(mac, *key);
  if (!ok) return -1;
  return key == now.keys->maker(now.now_unix_s) ? 1 : 2;
}

}  // namespace holdfast
