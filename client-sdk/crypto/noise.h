#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/keys.h"

namespace holdfast {

using CipherKey =
    FixedBytes<struct CipherKeyTag, 32>;  ///< Of ChaCha20-Poly1305 or a secret stream.

enum class NoiseRole : std::uint8_t { Initiator, Responder };

/// Diffie-Hellman of Ed25519 keys: the clamped SHA-512 of our seed times their point; the result is
/// a point too. Errors: BadHandshake if their bytes are no point, or one of low order. Nothing is
/// derived from it then.
Result<CipherKey> noise_dh(KeyPair const& ours, PublicKey const& theirs);

/// The two outputs of Noise's HKDF over HMAC-BLAKE2b-512.
std::pair<Hash64, Hash64> noise_hkdf(Hash64 const& chaining_key, ByteView input);

/// Noise's SymmetricState and CipherState in one. Visible for tests that follow a handshake step by
/// step.
class NoiseSymmetric {
 public:
  NoiseSymmetric();
  ~NoiseSymmetric();
  NoiseSymmetric(NoiseSymmetric const&) = default;
  NoiseSymmetric& operator=(NoiseSymmetric const&) = default;

  void mix_hash(ByteView bytes);
  void mix_key(ByteView secret);
  /// Appends the bytes to `out`, encrypted with 16 bytes of tag once there is a key, as they are
  /// before.
  void encrypt_and_hash(ByteView plain, Bytes& out);
  /// Errors: BadHandshake if the tag is wrong or missing.
  Result<Bytes> decrypt_and_hash(ByteView cipher);
  /// The keys of the two directions: initiator to responder, then back.
  std::pair<CipherKey, CipherKey> split() const;

  Hash64 const& hash() const { return hash_; }
  Hash64 const& chaining_key() const { return chaining_key_; }
  std::optional<CipherKey> const& key() const { return key_; }
  std::uint32_t nonce() const { return nonce_; }

 private:
  Hash64 hash_;
  Hash64 chaining_key_;
  std::optional<CipherKey> key_;
  std::uint32_t nonce_ = 0;
};

/// What a complete handshake leaves behind.
struct NoiseResult {
  CipherKey send_key;
  CipherKey receive_key;
  Hash64 handshake_hash;
  PublicKey remote_key;  ///< Static key that the remote has proven to own.
};

/// Noise_XX_Ed25519_ChaChaPoly_BLAKE2b with empty prologue and payloads.
///
/// ```
///   initiator: write m1, read m2, write m3, complete
///   responder: read m1, write m2, read m3, complete
/// ```
/// Rules:
///  1. After an error the handshake is over; nothing more may be called.
///  2. Messages have one exact size each (message_bytes()). Why: payloads are empty, so anything
///  else is not this protocol.
/// Source: SPEC 4.1; the Noise Protocol Framework, revision 34.
class NoiseHandshake {
 public:
  NoiseHandshake(NoiseRole role, KeyPair const& static_pair, KeyPair const& ephemeral_pair);
  ~NoiseHandshake();
  NoiseHandshake(NoiseHandshake const&) = default;
  NoiseHandshake& operator=(NoiseHandshake const&) = default;

  bool complete() const { return step_ == 3; }
  /// Requires: !complete().
  bool our_turn() const;
  /// Size of the message that comes next, whoever writes it. Requires: !complete().
  std::size_t message_bytes() const;
  /// Requires: our_turn(). Errors: BadHandshake if the remote's keys are unusable.
  Result<Bytes> write();
  /// Requires: not our turn, not complete. Errors: BadHandshake.
  Result<void> read(ByteView message);
  /// Requires: complete().
  NoiseResult result() const;

  NoiseSymmetric const& symmetric() const { return symmetric_; }

 private:
  Result<void> mix_dh(KeyPair const& ours, PublicKey const& theirs);
  Result<void> read_static(ByteView cipher);

  NoiseRole role_;
  KeyPair static_;
  KeyPair ephemeral_;
  NoiseSymmetric symmetric_;
  PublicKey remote_static_;
  PublicKey remote_ephemeral_;
  int step_ = 0;  ///< Messages done: 0 to 3.
};

}  // namespace holdfast
