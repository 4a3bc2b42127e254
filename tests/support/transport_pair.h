#pragma once

#include <optional>
#include <vector>

#include "base/check.h"
#include "wire/transport.h"

namespace holdfast::testing {

inline KeyPair pair_of_byte(Byte byte) {
  Seed seed;
  seed.bytes.fill(byte);
  return KeyPair::from_seed(seed);
}

inline StreamHeader header_of_byte(Byte byte) {
  StreamHeader header;
  header.bytes.fill(byte);
  return header;
}

/// A transport of which every byte is determined: seeds 0x11.. for the initiator, 0x22.. for the responder.
inline wire::Transport fixed_transport(wire::Role role,
                                       wire::TransportOptions const& options = {}) {
  bool const initiator = role == wire::Role::Initiator;
  return {role, pair_of_byte(initiator ? 0x11 : 0x22), pair_of_byte(initiator ? 0x33 : 0x44),
          header_of_byte(initiator ? 0xd0 : 0xd1), options};
}

/// Moves bytes between two transports until neither has any. Requires: both accept them.
inline void pump(wire::Transport& a, wire::Transport& b) {
  while (a.output_bytes() + b.output_bytes() > 0) {
    HOLDFAST_CHECK(b.receive(a.take_output()).ok());
    HOLDFAST_CHECK(a.receive(b.take_output()).ok());
  }
}

inline std::vector<Bytes> take_frames(wire::Transport& transport) {
  std::vector<Bytes> frames;
  while (std::optional<Bytes> frame = transport.next_frame()) frames.push_back(std::move(*frame));
  return frames;
}

}  // namespace holdfast::testing
