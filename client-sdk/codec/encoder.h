#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace holdfast {

/// Writes compact-encoding fields, always in their shortest form. Source: SPEC section 1.
class Encoder {
 public:
  Encoder() = default;
  /// Continues behind what `buffer` already holds, reusing its memory.
  explicit Encoder(Bytes buffer) : out_(std::move(buffer)) {}

  Encoder& write_uint(std::uint64_t value);
  Encoder& write_u32le(std::uint32_t value);
  Encoder& write_u64le(std::uint64_t value);
  Encoder& write_raw(ByteView bytes);
  /// uint length, then bytes. An empty view is also how an absent optionalBuffer is written.
  Encoder& write_buffer(ByteView bytes);
  Encoder& write_string(std::string_view text);
  void reserve(std::size_t bytes) { out_.reserve(out_.size() + bytes); }

  Bytes take() && { return std::move(out_); }
  ByteView view() const { return out_; }

 private:
  Bytes out_;
};

}  // namespace holdfast
