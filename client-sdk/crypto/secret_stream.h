#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/noise.h"

namespace holdfast {

inline constexpr std::size_t kStreamOverheadBytes = 17;  ///< What encryption adds to each frame.
using StreamHeader = FixedBytes<struct StreamHeaderTag, 24>;

/// Encrypts one direction of a connection, frame after frame. Source: libsodium's secretstream, tag
/// MESSAGE, no data besides.
class StreamSealer {
 public:
  /// With a header drawn at random.
  explicit StreamSealer(CipherKey const& key);
  /// With a given header: for tests and replays. One (key, header) must never seal two different
  /// streams.
  StreamSealer(CipherKey const& key, StreamHeader const& header);
  ~StreamSealer();
  StreamSealer(StreamSealer&&) noexcept;
  StreamSealer& operator=(StreamSealer&&) noexcept;

  StreamHeader const& header() const { return header_; }
  /// Writes plain.size() + kStreamOverheadBytes bytes at `out`, which may not overlap `plain`.
  void seal(ByteView plain, Byte* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
  StreamHeader header_;
};

/// Decrypts one direction. After an error the stream is useless.
class StreamOpener {
 public:
  StreamOpener(CipherKey const& key, StreamHeader const& header);
  ~StreamOpener();
  StreamOpener(StreamOpener&&) noexcept;
  StreamOpener& operator=(StreamOpener&&) noexcept;

  /// Errors: Malformed if shorter than the overhead, BadHandshake if it is not the next frame of
  /// this stream.
  Result<Bytes> open(ByteView cipher);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
