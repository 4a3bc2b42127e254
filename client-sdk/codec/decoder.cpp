#include "codec/decoder.h"

namespace holdfast {

namespace {

constexpr std::uint64_t kUintMax =
    (std::uint64_t{1} << 53) - 1;  // A larger number makes a JavaScript peer throw.

}  // namespace

void Decoder::fail(ErrorCode code, char const* detail) {
  if (!ok_) return;
  ok_ = false;
  code_ = code;
  detail_ = detail;
  rest_ = {};
}

Result<void> Decoder::finish() const {
  if (!ok_) return Unexpected(code_, detail_);
  return {};
}

ByteView Decoder::read_raw(std::size_t size) {
  if (size > rest_.size()) {
    fail(ErrorCode::Malformed, "message ends in the middle of a field");
    return {};
  }
  ByteView const out = rest_.first(size);
  rest_ = rest_.subspan(size);
  return out;
}

namespace {

std::uint64_t little_endian(ByteView bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) out = out << 8 | bytes[i - 1];
  return out;
}

}  // namespace

std::uint64_t Decoder::read_uint() {
  ByteView const first = read_raw(1);
  if (first.empty()) return 0;
  if (first[0] <= 0xfc) return first[0];
  std::uint64_t const value = little_endian(read_raw(std::size_t{2} << (first[0] - 0xfd)));
  if (value <= kUintMax) return value;
  fail(ErrorCode::Malformed, "number above 2^53-1");
  return 0;
}

std::uint64_t Decoder::read_uint(std::uint64_t max) {
  std::uint64_t const value = read_uint();
  if (value <= max) return value;
  fail(ErrorCode::LimitExceeded, "number above its limit");
  return 0;
}

std::uint32_t Decoder::read_u32le() {
  return static_cast<std::uint32_t>(little_endian(read_raw(4)));
}
std::uint64_t Decoder::read_u64le() { return little_endian(read_raw(8)); }

ByteView Decoder::read_buffer(std::size_t bytes_max) {
  std::uint64_t const size = read_uint();
  if (size > bytes_max) {
    fail(ErrorCode::LimitExceeded, "buffer longer than its limit");
    return {};
  }
  return read_raw(static_cast<std::size_t>(size));
}

std::string_view Decoder::read_string(std::size_t bytes_max) {
  return as_text(read_buffer(bytes_max));
}

std::size_t Decoder::read_count(std::size_t count_max, std::size_t item_bytes_min) {
  std::uint64_t const count = read_uint();
  if (count > count_max) {
    fail(ErrorCode::LimitExceeded, "array longer than its limit");
    return 0;
  }
  if (count * item_bytes_min > rest_.size()) {
    fail(ErrorCode::Malformed, "array longer than its message");
    return 0;
  }
  return static_cast<std::size_t>(count);
}

ByteView Decoder::read_rest() { return read_raw(rest_.size()); }

}  // namespace holdfast
