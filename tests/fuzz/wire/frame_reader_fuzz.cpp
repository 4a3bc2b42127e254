/// Property: how a stream is cut into reads never changes the frames or the error, and no frame is above the limit.

#include <vector>

#include "base/check.h"
#include "support/fuzz_input.h"
#include "wire/frame_reader.h"

namespace holdfast::wire {
namespace {

struct Outcome {
  std::vector<Bytes> frames;
  bool refused = false;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

/// `cut()` tells how long the next piece is.
template <typename Cut>
Outcome read_in_pieces(ByteView stream, std::size_t frame_bytes_max, Cut cut) {
  FrameReader reader(frame_bytes_max);
  Outcome out;
  while (!stream.empty()) {
    ByteView piece = stream.first(std::min<std::size_t>(cut(), stream.size()));
    stream = stream.subspan(piece.size());
    while (!piece.empty()) {
      auto const frame = reader.next(piece);
      if (!frame) {
        out.refused = true;
        return out;
      }
      if (!frame->has_value()) continue;
      HOLDFAST_CHECK((*frame)->size() <= frame_bytes_max);
      out.frames.push_back(to_bytes(**frame));
    }
  }
  return out;
}

}  // namespace
}  // namespace holdfast::wire

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  testing::FuzzInput input(data, size);
  std::size_t const limit = std::size_t{input.byte()} * 4;
  ByteView const cuts = input.piece(input.byte() % 16);
  ByteView const stream = input.rest();
  auto const whole = wire::read_in_pieces(stream, limit, [&] { return stream.size(); });
  HOLDFAST_CHECK(wire::read_in_pieces(stream, limit, [] { return 1; }) == whole);
  std::size_t next = 0;
  HOLDFAST_CHECK(wire::read_in_pieces(stream, limit, [&] {
                   return cuts.empty() ? std::size_t{3}
                                       : std::size_t{cuts[next++ % cuts.size()]} + 1;
                 }) == whole);
  return 0;
}
