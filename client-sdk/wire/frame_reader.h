#pragma once

#include <cstddef>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::wire {

inline constexpr std::size_t kFrameHeaderBytes = 3;  ///< u24le length of what follows.

/// Cuts a byte stream into frames `u24le length | payload`, however the stream arrives.
///
/// Rules:
///  1. How the stream is cut into pieces never changes the frames or the error.
///  2. A length above the limit is refused on its three bytes. Why: a stranger must not make us
///  wait for 16 MiB.
///  3. Memory follows the bytes that arrived, not the length that was claimed.
/// Complexity: linear in the bytes; a frame that arrives in one piece is not copied.
/// Source: SPEC section 4.
class FrameReader {
 public:
  explicit FrameReader(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  /// Holds for the headers that are read from now on.
  void set_frame_bytes_max(std::size_t bytes) { frame_bytes_max_ = bytes; }

  /// Takes from the front of `bytes` what the next frame needs.
  /// Returns: the payload once it is whole, borrowed from `bytes` or from the reader until the next
  /// call;
  ///   nothing if `bytes` is used up before.
  /// Errors: LimitExceeded. The reader is useless afterwards.
  Result<std::optional<ByteView>> next(ByteView& bytes);

 private:
  std::size_t frame_bytes_max_;
  std::size_t header_bytes_ = 0;  ///< Bytes of the header seen so far.
  std::size_t length_ = 0;        ///< Valid once header_bytes_ == kFrameHeaderBytes.
  Bytes partial_;                 ///< Payload bytes that came in earlier pieces.
  bool partial_done_ = false;     ///< partial_ was handed out and is to be emptied.
};

}  // namespace holdfast::wire
