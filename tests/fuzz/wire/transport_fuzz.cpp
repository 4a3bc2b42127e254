/// Properties, for both roles: a stream that was changed on its way never gives a frame that was not sent, in its order;
/// how it is cut never changes frames, output or error; after an error nothing more comes.
/// The input says the role, how a recorded good stream is changed, and how it is cut.

#include "base/check.h"
#include "support/fuzz_input.h"
#include "support/transport_pair.h"

namespace holdfast::wire {
namespace {

struct Recording {
  Bytes initiator;
  Bytes responder;
};

Recording record() {
  HOLDFAST_CHECK(init_crypto().ok());
  Transport initiator = testing::fixed_transport(Role::Initiator);
  Transport responder = testing::fixed_transport(Role::Responder);
  Recording out;
  for (int round = 0; round < 4; ++round) {
    if (round == 2) {
      for (Byte number = 0; number < 4; ++number) {
        initiator.send(Bytes(1 + number * 5U, number));
        responder.send(Bytes(1 + number * 5U, number));
      }
    }
    Bytes const forth = initiator.take_output();
    append(out.initiator, forth);
    HOLDFAST_CHECK(responder.receive(forth).ok());
    Bytes const back = responder.take_output();
    append(out.responder, back);
    HOLDFAST_CHECK(initiator.receive(back).ok());
  }
  return out;
}

/// Edits: position (2 bytes), kind, value.
Bytes change(Bytes stream, testing::FuzzInput& input) {
  int const edits = input.byte() % 4;
  for (int i = 0; i < edits && !stream.empty(); ++i) {
    std::size_t const high = input.byte();
    std::size_t const at = (high * 256 + input.byte()) % stream.size();
    auto const place = stream.begin() + static_cast<std::ptrdiff_t>(at);
    switch (input.byte() % 4) {
      case 0:
        *place = input.byte();
        break;
      case 1:
        stream.erase(place);
        break;
      case 2:
        stream.insert(place, input.byte());
        break;
      default:
        stream.erase(place, stream.end());
        break;
    }
  }
  append(stream, input.piece(input.byte() % 64));
  return stream;
}

struct Outcome {
  std::vector<Bytes> frames;
  Bytes output;
  bool failed = false;
  bool open = false;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

template <typename Cut>
Outcome replay(Role role, ByteView stream, Cut cut) {
  Transport side = testing::fixed_transport(role);
  Outcome out;
  while (!stream.empty()) {
    std::size_t const size = std::min<std::size_t>(cut(), stream.size());
    bool const ok = side.receive(stream.first(size)).ok();
    HOLDFAST_CHECK(!ok || !out.failed);
    out.failed = !ok;
    stream = stream.subspan(size);
    for (Bytes& frame : testing::take_frames(side)) out.frames.push_back(std::move(frame));
  }
  out.output = side.take_output();
  out.open = side.open();
  return out;
}

void check(testing::FuzzInput input) {
  static Recording const kRecording = record();
  Role const role = input.byte() % 2 == 0 ? Role::Initiator : Role::Responder;
  bool const from_nothing = input.byte() % 4 == 0;
  Bytes const& recorded = role == Role::Initiator ? kRecording.responder : kRecording.initiator;
  Bytes const stream = change(from_nothing ? Bytes{} : recorded, input);
  Outcome const whole = replay(role, stream, [&] { return stream.size(); });
  HOLDFAST_CHECK(whole.frames.size() <= 4);
  for (std::size_t i = 0; i < whole.frames.size(); ++i) {
    HOLDFAST_CHECK(whole.frames[i] == Bytes(1 + i * 5, static_cast<Byte>(i)));
  }
  HOLDFAST_CHECK(replay(role, stream, [&] { return std::size_t{1} + input.byte(); }) == whole);
}

}  // namespace
}  // namespace holdfast::wire

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  holdfast::wire::check(holdfast::testing::FuzzInput(data, size));
  return 0;
}
