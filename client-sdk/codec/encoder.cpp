#include "codec/encoder.h"

namespace holdfast {

namespace {

void append_little_endian(Bytes& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<Byte>(value >> (8 * i)));
}

}  // namespace

Encoder& Encoder::write_uint(std::uint64_t value) {
  if (value <= 0xfc) {
    out_.push_back(static_cast<Byte>(value));
  } else if (value <= 0xffff) {
    out_.push_back(0xfd);
    append_little_endian(out_, value, 2);
  } else if (value <= 0xffffffff) {
    out_.push_back(0xfe);
    append_little_endian(out_, value, 4);
  } else {
    out_.push_back(0xff);
    append_little_endian(out_, value, 8);
  }
  return *this;
}

Encoder& Encoder::write_u32le(std::uint32_t value) {
  append_little_endian(out_, value, 4);
  return *this;
}

Encoder& Encoder::write_u64le(std::uint64_t value) {
  append_little_endian(out_, value, 8);
  return *this;
}

Encoder& Encoder::write_raw(ByteView bytes) {
  append(out_, bytes);
  return *this;
}

Encoder& Encoder::write_buffer(ByteView bytes) { return write_uint(bytes.size()).write_raw(bytes); }

Encoder& Encoder::write_string(std::string_view text) { return write_buffer(as_bytes(text)); }

}  // namespace holdfast
