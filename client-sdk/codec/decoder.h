#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

/// Reads compact-encoding fields from borrowed bytes.
///
/// Rules:
///  1. Errors stick: after the first one every read returns zero or empty; ask once, in finish().
///     Why: decoders stay a list of fields.
///  2. A length is checked against what is left and against the caller's limit before anything is allocated.
///  3. Bytes left over after the last field are no error. Why: optional trailing fields are how the formats grow (SPEC 1).
/// Source: SPEC section 1.
class Decoder {
 public:
  explicit Decoder(ByteView bytes) : rest_(bytes) {}

  /// A uint in any of its four forms, not only the shortest. Larger than 2^53-1 is an error.
  std::uint64_t read_uint();
  /// A uint that must be at most `max`.
  std::uint64_t read_uint(std::uint64_t max);
  std::uint32_t read_u32le();
  std::uint64_t read_u64le();
  /// Exactly `size` raw bytes; borrowed from the input.
  ByteView read_raw(std::size_t size);
  /// A fixed32, fixed64, ... as its own type.
  template <typename Fixed>
  Fixed read_fixed() {
    return Fixed::from(read_raw(Fixed::kSize)).value_or(Fixed{});
  }
  /// uint length, then bytes; borrowed. Longer than `bytes_max` is LimitExceeded.
  ByteView read_buffer(std::size_t bytes_max);
  /// uint length, then text; borrowed and not checked for UTF-8.
  std::string_view read_string(std::size_t bytes_max);
  /// uint count of items that follow, each at least `item_bytes_min` bytes long.
  std::size_t read_count(std::size_t count_max, std::size_t item_bytes_min);
  /// Everything that is left; borrowed.
  ByteView read_rest();

  std::size_t remaining() const { return rest_.size(); }
  bool ok() const { return ok_; }
  void fail(ErrorCode code, char const* detail);
  /// Errors: the first one met: Malformed (cut short, too big for JS) or LimitExceeded.
  Result<void> finish() const;

 private:
  ByteView rest_;
  bool ok_ = true;
  ErrorCode code_ = ErrorCode::Malformed;
  char const* detail_ = "";
};

}  // namespace holdfast
