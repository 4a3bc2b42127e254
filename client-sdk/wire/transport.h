#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/secret_stream.h"

namespace holdfast::wire {

enum class Role : std::uint8_t { Initiator, Responder };

struct TransportOptions {
  std::size_t frame_bytes_max =
      (1u << 24) - 1;  ///< Ciphertext bytes of one frame once trusted (see set_trusted).
  std::size_t untrusted_frame_bytes_max = 64 * 1024;
};

/// Noise XX and the secret stream over a byte stream, without the stream: bytes in, frames out, and
/// the other way round.
///
/// ```
///   AwaitHandshake --Noise complete--> AwaitHeader --stream id checked--> Open
///        any state --bad bytes--> Failed (every later receive() fails the same way)
/// ```
/// Rules:
///  1. send() may be called as soon as handshake_hash() is there; what was sent before is queued
///  behind the own header.
///  2. The limit of a frame is checked on its three length bytes, before its body is waited for.
///  3. Until set_trusted() frames are limited to untrusted_frame_bytes_max.
///     Why: a stranger must not be able to make us buffer 16 MiB.
/// Thread-safety: none. Memory: one partial frame, frames not yet taken, output not yet taken.
/// Source: SPEC section 4.
class Transport {
 public:
  Transport(Role role, KeyPair const& static_pair, TransportOptions const& options);
  /// The same with the ephemeral pair given, for tests and replays.
  Transport(Role role, KeyPair const& static_pair, KeyPair const& ephemeral_pair,
            TransportOptions const& options);
  /// The same with the header of the own secret stream given too: every byte is determined.
  Transport(Role role, KeyPair const& static_pair, KeyPair const& ephemeral_pair,
            StreamHeader const& header, TransportOptions const& options);
  ~Transport();
  Transport(Transport&&) noexcept;
  Transport& operator=(Transport&&) noexcept;

  /// Takes bytes as they came from the network, cut anywhere.
  /// Errors: BadHandshake, LimitExceeded, Malformed. The transport is unusable afterwards.
  Result<void> receive(ByteView bytes);
  /// Returns: the next decrypted frame, nothing if there is none. Keep-alives (empty frames) are
  /// not reported.
  std::optional<Bytes> next_frame();
  /// Encrypts one frame. Requires: open for sending (handshake_hash() has a value), plain.size() <=
  /// 16,777,198.
  void send(ByteView plain);
  void send_keep_alive();
  /// Bytes for the network, in order; empty if there are none. `output_bytes()` tells how many
  /// wait.
  Bytes take_output();
  std::size_t output_bytes() const;

  void set_trusted();
  Role role() const;
  /// Known from the handshake's end on; the remote's claim to it is proven then.
  std::optional<PublicKey> remote_key() const;
  std::optional<Hash64> handshake_hash() const;
  /// True once the remote's header was checked: frames can arrive.
  bool open() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::wire
