#include "crypto/hash.h"

#include <sodium.h>

#include "base/check.h"

namespace holdfast {

namespace {

template <typename Out>
Out generic_hash(ByteView key, std::initializer_list<ByteView> parts) {
  HOLDFAST_CHECK(key.size() <= crypto_generichash_KEYBYTES_MAX);
  crypto_generichash_state state;
  crypto_generichash_init(&state, key.empty() ? nullptr : key.data(), key.size(), Out::kSize);
  for (ByteView const part : parts) crypto_generichash_update(&state, part.data(), part.size());
  Out out;
  crypto_generichash_final(&state, out.data(), Out::kSize);
  return out;
}

}  // namespace

Hash blake2b(std::initializer_list<ByteView> parts) { return generic_hash<Hash>({}, parts); }

Hash blake2b_keyed(ByteView key, std::initializer_list<ByteView> parts) {
  return generic_hash<Hash>(key, parts);
}

Hash64 blake2b_512(std::initializer_list<ByteView> parts) {
  return generic_hash<Hash64>({}, parts);
}

Hash sha256(ByteView bytes) {
  Hash out;
  crypto_hash_sha256(out.data(), bytes.data(), bytes.size());
  return out;
}

Hash crypto_namespace(std::string_view name, Byte index) {
  Hash const name_hash = blake2b({as_bytes(name)});
  return blake2b({name_hash.view(), ByteView(&index, 1)});
}

bool equal_in_constant_time(ByteView a, ByteView b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace holdfast
