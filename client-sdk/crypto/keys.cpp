#include "crypto/keys.h"

#include <sodium.h>

#include "crypto/hash.h"

namespace holdfast {

Result<void> init_crypto() {
  if (sodium_init() < 0) return Unexpected(ErrorCode::Unavailable, "libsodium did not start");
  return {};
}

KeyPair KeyPair::from_seed(Seed const& seed) {
  KeyPair pair;
  crypto_sign_seed_keypair(pair.public_key.data(), pair.secret_key.data(), seed.data());
  return pair;
}

KeyPair KeyPair::random() {
  Seed seed;
  random_bytes(seed.bytes);
  return from_seed(seed);
}

Signature sign(KeyPair const& pair, ByteView message) {
  Signature out;
  crypto_sign_detached(out.data(), nullptr, message.data(), message.size(), pair.secret_key.data());
  return out;
}

bool verify(PublicKey const& key, ByteView message, Signature const& signature) {
  return crypto_sign_verify_detached(signature.data(), message.data(), message.size(),
                                     key.data()) == 0;
}

DiscoveryKey discovery_key_of(CoreKey const& key) {
  return DiscoveryKey{blake2b_keyed(key.view(), {as_bytes("hypercore")}).bytes};
}

KeyPair keyholder_pair_of(CoreKey const& project_key) {
  return KeyPair::from_seed(
      Seed{blake2b_keyed(project_key.view(), {as_bytes("holdfast/keyholder")}).bytes});
}

void random_bytes(std::span<Byte> out) { randombytes_buf(out.data(), out.size()); }

}  // namespace holdfast
