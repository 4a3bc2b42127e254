/// Property: whatever is done to it, a bitfield answers as a plain array of bits does.
#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "codec/decoder.h"
#include "core/bitfield.h"

namespace {

using namespace holdfast;

constexpr std::uint64_t kBits = 3 * 32'768;

struct Model {
  std::vector<char> bits = std::vector<char>(kBits, 0);
  void fill(std::uint64_t start, std::uint64_t end, char value) {
    if (start < end) std::memset(bits.data() + start, value, end - start);
  }
  std::uint64_t find(std::uint64_t from, std::uint64_t end, char value) const {
    if (from >= end) return end;
    void const* const at = std::memchr(bits.data() + from, value, end - from);
    if (at == nullptr) return end;
    return static_cast<std::uint64_t>(static_cast<char const*>(at) - bits.data());
  }
};

/// A number below kBits, often at the edge of a page.
std::uint64_t number(Decoder& in) {
  std::uint64_t const raw = in.read_uint();
  return raw % 2 == 0 ? (raw / 2) % kBits : (raw / 2 * 32'768 + raw % 5) % kBits;
}

void compare(core::Bitfield const& bits, Model const& model, std::uint64_t a, std::uint64_t b) {
  bits.check_invariants();
  HOLDFAST_CHECK(bits.has(a) == (model.bits[a] != 0));
  HOLDFAST_CHECK(bits.first_missing(a) == model.find(a, kBits, 0));
  std::uint64_t const held = model.find(a, std::max(a, b), 1);
  HOLDFAST_CHECK(bits.first_held(a, b) == (held < b ? std::optional(held) : std::nullopt));
  if (a >= b) return;
  auto const from = model.bits.begin() + static_cast<std::ptrdiff_t>(a);
  auto const to = model.bits.begin() + static_cast<std::ptrdiff_t>(b);
  HOLDFAST_CHECK(bits.count(a, b) == static_cast<std::uint64_t>(std::count(from, to, 1)));
  core::Bitfield copy;
  copy.assign_words(a / 32 * 32, bits.words(a / 32 * 32, b));
  HOLDFAST_CHECK(copy.count(a, b) == bits.count(a, b));
  HOLDFAST_CHECK(copy.ranges(a, b) == bits.ranges(a, b));
  HOLDFAST_CHECK(copy.count(b, kBits + 64) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  Decoder in(ByteView(data, std::min<std::size_t>(size, 96)));
  core::Bitfield bits;
  Model model;
  while (in.ok() && in.remaining() > 0) {
    std::uint64_t const kind = in.read_uint() % 4;
    std::uint64_t const a = number(in);
    std::uint64_t const b = number(in);
    if (kind == 0) {
      bits.clear_range(a, b);
      model.fill(a, b, 0);
    } else if (kind == 1) {
      bits.truncate(a);
      model.fill(a, kBits, 0);
    } else {
      bits.set_range(a, b);
      model.fill(a, b, 1);
    }
    compare(bits, model, a, b);
    compare(bits, model, b, a);
  }
  return 0;
}
