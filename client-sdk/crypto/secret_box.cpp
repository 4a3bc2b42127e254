#include "crypto/secret_box.h"

#include <span>

#include <sodium.h>

#include "crypto/keys.h"

namespace holdfast {

Bytes seal_secret_box(SecretBoxKey const& key, ByteView plain) {
  Bytes sealed(crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + plain.size());
  random_bytes(std::span(sealed).first(crypto_secretbox_NONCEBYTES));
  crypto_secretbox_easy(sealed.data() + crypto_secretbox_NONCEBYTES, plain.data(), plain.size(),
                        sealed.data(), key.data());
  return sealed;
}

std::optional<Bytes> open_secret_box(SecretBoxKey const& key, ByteView sealed) {
  if (sealed.size() < crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES) return std::nullopt;
  ByteView const box = sealed.subspan(crypto_secretbox_NONCEBYTES);
  Bytes plain(box.size() - crypto_secretbox_MACBYTES);
  if (crypto_secretbox_open_easy(plain.data(), box.data(), box.size(), sealed.data(), key.data()) !=
      0) {
    return std::nullopt;
  }
  return plain;
}

}  // namespace holdfast
