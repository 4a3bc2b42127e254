/// Properties: whatever is read, in whatever order, nothing outside of the input is touched, the rest only shrinks, and
/// errors stick; what was read without an error and written again reads the same. Texts of keys have one spelling.

#include "base/check.h"
#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/key_text.h"
#include "codec/zbase32.h"
#include "support/fuzz_input.h"

namespace holdfast {
namespace {

std::uint64_t sum_of(ByteView bytes) {
  std::uint64_t sum = 0;
  for (Byte const byte : bytes) sum += byte;  // Touches every byte, for the sanitizer.
  return sum;
}

void check_number(Decoder& in) {
  std::uint64_t const value = in.read_uint();
  if (!in.ok()) return;
  Encoder out;
  out.write_uint(value);
  Decoder again(out.view());
  HOLDFAST_CHECK(again.read_uint() == value && again.ok() && again.remaining() == 0);
}

void check_buffer(Decoder& in, std::size_t bytes_max) {
  ByteView const bytes = in.read_buffer(bytes_max);
  HOLDFAST_CHECK(bytes.size() <= bytes_max);
  if (!in.ok()) return;
  Encoder out;
  out.write_buffer(bytes);
  Decoder again(out.view());
  HOLDFAST_CHECK(sum_of(again.read_buffer(bytes_max)) == sum_of(bytes) && again.ok());
}

void check_decoder(testing::FuzzInput choices, ByteView bytes) {
  Decoder in(bytes);
  while (!choices.empty()) {
    std::size_t const before = in.remaining();
    bool const was_ok = in.ok();
    std::size_t const limit = choices.byte();
    switch (choices.byte() % 8) {
      case 0:
        check_number(in);
        break;
      case 1:
        check_buffer(in, limit);
        break;
      case 2:
        sum_of(in.read_raw(limit));
        break;
      case 3:
        HOLDFAST_CHECK(in.read_count(limit, 3) * 3 <= before);
        break;
      case 4:
        HOLDFAST_CHECK(in.read_uint(limit) <= limit);
        break;
      case 5:
        sum_of(as_bytes(in.read_string(limit)));
        break;
      case 6:
        in.read_u64le();
        break;
      default:
        in.read_u32le();
        break;
    }
    HOLDFAST_CHECK(in.remaining() <= before);
    HOLDFAST_CHECK(was_ok || (!in.ok() && in.remaining() == 0));
  }
  HOLDFAST_CHECK(in.finish().ok() == in.ok());
}

void check_key_text(std::string_view text) {
  Result<std::array<Byte, 32>> const key = parse_key(text);
  if (!key || text.size() != kZbase32KeyLetters) return;
  HOLDFAST_CHECK(to_zbase32(*key) == text);
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  testing::FuzzInput input(data, size);
  ByteView const choices = input.piece(input.byte());
  ByteView const rest = input.rest();
  check_decoder(testing::FuzzInput(choices.data(), choices.size()), rest);
  check_key_text(as_text(rest));
  return 0;
}
