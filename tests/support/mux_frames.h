#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::testing {

/// Protomux frames as a JavaScript peer writes them, batches included, which the library only reads.
/// Source: SPEC section 5.
struct BatchEntry {
  std::uint64_t channel = 0;  ///< 0: a control message without its leading zero.
  Bytes bytes;                ///< Type, then body.
  friend bool operator==(BatchEntry const&, BatchEntry const&) = default;
};

inline Bytes batch_frame(std::vector<BatchEntry> const& entries) {
  Encoder out;
  out.write_uint(0).write_uint(0);
  std::uint64_t channel = entries.empty() ? 0 : entries.front().channel;
  out.write_uint(channel);
  for (BatchEntry const& entry : entries) {
    if (entry.channel != channel) out.write_uint(0).write_uint(entry.channel);
    channel = entry.channel;
    out.write_buffer(entry.bytes);
  }
  return std::move(out).take();
}

/// Requires: `body` (what follows the two zeros of a batch) is well formed.
inline std::vector<BatchEntry> read_batch(ByteView body) {
  Decoder in(body);
  std::vector<BatchEntry> entries;
  std::uint64_t channel = in.read_uint();
  while (in.remaining() > 0) {
    Bytes bytes = to_bytes(in.read_buffer(body.size()));
    if (bytes.empty()) {
      channel = in.read_uint();
    } else {
      entries.push_back(BatchEntry{.channel = channel, .bytes = std::move(bytes)});
    }
  }
  HOLDFAST_CHECK(in.ok());
  return entries;
}

/// Type and body, without the channel in front: what a batch holds.
inline Bytes entry(std::uint64_t type, ByteView body) {
  Encoder out;
  out.write_uint(type).write_raw(body);
  return std::move(out).take();
}

inline Bytes message_frame(std::uint64_t channel, std::uint64_t type, ByteView body) {
  Encoder out;
  out.write_uint(channel).write_uint(type).write_raw(body);
  return std::move(out).take();
}

inline Bytes open_entry(std::uint64_t id, std::string_view protocol, ByteView name,
                        ByteView handshake) {
  Encoder out;
  out.write_uint(1).write_uint(id).write_string(protocol).write_buffer(name).write_raw(handshake);
  return std::move(out).take();
}
inline Bytes reject_entry(std::uint64_t id) { return Bytes{2, static_cast<Byte>(id)}; }
inline Bytes close_entry(std::uint64_t id) { return Bytes{3, static_cast<Byte>(id)}; }

inline Bytes control_frame(ByteView entry_bytes) {
  Bytes out{0};
  append(out, entry_bytes);
  return out;
}
inline Bytes open_frame(std::uint64_t id, std::string_view protocol, ByteView name,
                        ByteView handshake) {
  return control_frame(open_entry(id, protocol, name, handshake));
}
inline Bytes reject_frame(std::uint64_t id) { return control_frame(reject_entry(id)); }
inline Bytes close_frame(std::uint64_t id) { return control_frame(close_entry(id)); }

}  // namespace holdfast::testing
