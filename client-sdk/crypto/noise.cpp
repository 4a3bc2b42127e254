#include "crypto/noise.h"

#include <array>

#include <sodium.h>

#include "base/check.h"

namespace holdfast {

namespace {

constexpr std::string_view kProtocolName = "Noise_XX_Ed25519_ChaChaPoly_BLAKE2b";
constexpr std::size_t kHashBlockBytes = 128;  // Of BLAKE2b; HMAC pads its key to it.
constexpr std::size_t kTagBytes = crypto_aead_chacha20poly1305_ietf_ABYTES;
constexpr std::size_t kKeyBytes = PublicKey::kSize;

using Nonce = std::array<Byte, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

Nonce nonce_of(std::uint32_t counter) {
  Nonce out{};
  for (std::size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<Byte>(counter >> (8 * i));
  return out;
}

/// HMAC over BLAKE2b-512, which libsodium does not have. The key is always one hash long, so it is
/// never hashed first.
Hash64 hmac(Hash64 const& key, std::initializer_list<ByteView> parts) {
  std::array<Byte, kHashBlockBytes> inner_pad;
  std::array<Byte, kHashBlockBytes> outer_pad;
  for (std::size_t i = 0; i < kHashBlockBytes; ++i) {
    Byte const key_byte = i < Hash64::kSize ? key.bytes[i] : Byte{0};
    inner_pad[i] = key_byte ^ 0x36;
    outer_pad[i] = key_byte ^ 0x5c;
  }
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, Hash64::kSize);
  crypto_generichash_update(&state, inner_pad.data(), inner_pad.size());
  for (ByteView const part : parts) crypto_generichash_update(&state, part.data(), part.size());
  Hash64 inner;
  crypto_generichash_final(&state, inner.data(), Hash64::kSize);
  Hash64 const out = blake2b_512({outer_pad, inner.view()});
  sodium_memzero(inner_pad.data(), inner_pad.size());
  sodium_memzero(outer_pad.data(), outer_pad.size());
  return out;
}

CipherKey first_half(Hash64 const& hash) {
  return *CipherKey::from(hash.view().first(CipherKey::kSize));
}

Unexpected bad_handshake(char const* detail) { return {ErrorCode::BadHandshake, detail}; }

}  // namespace

Result<CipherKey> noise_dh(KeyPair const& ours, PublicKey const& theirs) {
  std::array<Byte, crypto_hash_sha512_BYTES> scalar;
  crypto_hash_sha512(scalar.data(), ours.secret_key.data(), Seed::kSize);
  scalar[0] &= 248;
  scalar[31] &= 127;
  scalar[31] |= 64;
  CipherKey out;
  int const status = crypto_scalarmult_ed25519_noclamp(out.data(), scalar.data(), theirs.data());
  sodium_memzero(scalar.data(), scalar.size());
  if (status != 0) return bad_handshake("remote key is not a usable point");
  return out;
}

std::pair<Hash64, Hash64> noise_hkdf(Hash64 const& chaining_key, ByteView input) {
  static constexpr Byte kOne = 1;
  static constexpr Byte kTwo = 2;
  Hash64 const base = hmac(chaining_key, {input});
  Hash64 const first = hmac(base, {ByteView(&kOne, 1)});
  Hash64 const second = hmac(base, {first.view(), ByteView(&kTwo, 1)});
  return {first, second};
}

NoiseSymmetric::NoiseSymmetric() {
  static_assert(kProtocolName.size() <= Hash64::kSize);
  std::memcpy(hash_.data(), kProtocolName.data(), kProtocolName.size());
  chaining_key_ = hash_;
  mix_hash({});  // The prologue is empty, but it is hashed all the same.
}

NoiseSymmetric::~NoiseSymmetric() {
  sodium_memzero(chaining_key_.data(), Hash64::kSize);
  if (key_) sodium_memzero(key_->data(), CipherKey::kSize);
}

void NoiseSymmetric::mix_hash(ByteView bytes) { hash_ = blake2b_512({hash_.view(), bytes}); }

void NoiseSymmetric::mix_key(ByteView secret) {
  auto const [chaining_key, key] = noise_hkdf(chaining_key_, secret);
  chaining_key_ = chaining_key;
  key_ = first_half(key);
  nonce_ = 0;
}

void NoiseSymmetric::encrypt_and_hash(ByteView plain, Bytes& out) {
  std::size_t const start = out.size();
  if (!key_) {
    append(out, plain);
  } else {
    out.resize(start + plain.size() + kTagBytes);
    Nonce const nonce = nonce_of(nonce_++);
    crypto_aead_chacha20poly1305_ietf_encrypt(out.data() + start, nullptr, plain.data(),
                                              plain.size(), hash_.data(), Hash64::kSize, nullptr,
                                              nonce.data(), key_->data());
  }
  mix_hash(ByteView(out).subspan(start));
}

Result<Bytes> NoiseSymmetric::decrypt_and_hash(ByteView cipher) {
  Bytes plain;
  if (!key_) {
    plain = to_bytes(cipher);
  } else {
    if (cipher.size() < kTagBytes) return bad_handshake("handshake message without its tag");
    plain.resize(cipher.size() - kTagBytes);
    Nonce const nonce = nonce_of(nonce_++);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, cipher.data(),
                                                  cipher.size(), hash_.data(), Hash64::kSize,
                                                  nonce.data(), key_->data()) != 0) {
      return bad_handshake("handshake message does not decrypt");
    }
  }
  mix_hash(cipher);
  return plain;
}

std::pair<CipherKey, CipherKey> NoiseSymmetric::split() const {
  auto const [first, second] = noise_hkdf(chaining_key_, {});
  return {first_half(first), first_half(second)};
}

NoiseHandshake::NoiseHandshake(NoiseRole role, KeyPair const& static_pair,
                               KeyPair const& ephemeral_pair)
    : role_(role), static_(static_pair), ephemeral_(ephemeral_pair) {}

NoiseHandshake::~NoiseHandshake() {
  sodium_memzero(static_.secret_key.data(), static_.secret_key.kSize);
  sodium_memzero(ephemeral_.secret_key.data(), ephemeral_.secret_key.kSize);
}

bool NoiseHandshake::our_turn() const {
  return (step_ % 2 == 0) == (role_ == NoiseRole::Initiator);
}

std::size_t NoiseHandshake::message_bytes() const {
  static constexpr std::array<std::size_t, 3> kSizes{
      kKeyBytes, kKeyBytes + kKeyBytes + 2 * kTagBytes, kKeyBytes + 2 * kTagBytes};
  HOLDFAST_CHECK(!complete());
  return kSizes[static_cast<std::size_t>(step_)];
}

Result<void> NoiseHandshake::mix_dh(KeyPair const& ours, PublicKey const& theirs) {
  Result<CipherKey> secret = noise_dh(ours, theirs);
  if (!secret) return Unexpected(secret.error());
  symmetric_.mix_key(secret->view());
  sodium_memzero(secret->data(), CipherKey::kSize);
  return {};
}

Result<Bytes> NoiseHandshake::write() {
  HOLDFAST_CHECK(!complete() && our_turn());
  Bytes out;
  out.reserve(message_bytes());
  if (step_ < 2) {  // e
    append(out, ephemeral_.public_key.view());
    symmetric_.mix_hash(ephemeral_.public_key.view());
  }
  if (step_ == 1) {  // ee, s, es
    if (auto const ee = mix_dh(ephemeral_, remote_ephemeral_); !ee) return Unexpected(ee.error());
    symmetric_.encrypt_and_hash(static_.public_key.view(), out);
    if (auto const es = mix_dh(static_, remote_ephemeral_); !es) return Unexpected(es.error());
  }
  if (step_ == 2) {  // s, se
    symmetric_.encrypt_and_hash(static_.public_key.view(), out);
    if (auto const se = mix_dh(static_, remote_ephemeral_); !se) return Unexpected(se.error());
  }
  symmetric_.encrypt_and_hash({}, out);
  ++step_;
  return out;
}

Result<void> NoiseHandshake::read_static(ByteView cipher) {
  Result<Bytes> const key = symmetric_.decrypt_and_hash(cipher);
  if (!key) return Unexpected(key.error());
  remote_static_ = *PublicKey::from(*key);
  return mix_dh(ephemeral_, remote_static_);
}

Result<void> NoiseHandshake::read(ByteView message) {
  HOLDFAST_CHECK(!complete() && !our_turn());
  if (message.size() != message_bytes()) return bad_handshake("handshake message of a wrong size");
  if (step_ < 2) {
    remote_ephemeral_ = *PublicKey::from(message.first(kKeyBytes));
    symmetric_.mix_hash(remote_ephemeral_.view());
    message = message.subspan(kKeyBytes);
  }
  if (step_ == 1) {
    if (auto const ee = mix_dh(ephemeral_, remote_ephemeral_); !ee) return Unexpected(ee.error());
  }
  if (step_ > 0) {  // s, then es (m2) or se (m3): our ephemeral key with their static one in both.
    if (auto const s = read_static(message.first(kKeyBytes + kTagBytes)); !s) {
      return Unexpected(s.error());
    }
    message = message.subspan(kKeyBytes + kTagBytes);
  }
  if (auto const payload = symmetric_.decrypt_and_hash(message); !payload) {
    return Unexpected(payload.error());
  }
  ++step_;
  return {};
}

NoiseResult NoiseHandshake::result() const {
  HOLDFAST_CHECK(complete());
  auto const [forth, back] = symmetric_.split();
  bool const initiator = role_ == NoiseRole::Initiator;
  return {.send_key = initiator ? forth : back,
          .receive_key = initiator ? back : forth,
          .handshake_hash = symmetric_.hash(),
          .remote_key = remote_static_};
}

}  // namespace holdfast
