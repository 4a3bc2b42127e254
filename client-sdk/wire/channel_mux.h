#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace holdfast::wire {

using ChannelId = StrongId<struct ChannelIdTag>;  ///< Our own number of a channel, from 1.

struct MuxLimits {
  std::size_t channels_max = 65'536;
  std::size_t unpaired_bytes_max = 32 * 1024;  ///< Frames kept for Opens of the remote that nobody answered yet.
  std::size_t unanswered_opens_max = 1'024;    ///< Opens of the remote that nobody answered yet.
  std::size_t protocol_bytes_max = 256;
  std::size_t id_bytes_max = 256;
  std::size_t handshake_bytes_max = 16 * 1024;
  std::size_t batch_messages_max = 65'536;
};

/// The remote wants a channel that we have not opened. Answer with accept() or reject(), once.
struct RemoteOpen {
  std::uint64_t remote_id = 0;
  std::string protocol;
  Bytes id;
  Bytes handshake;
};
/// A channel is live: both sides have opened it.
struct Paired {
  ChannelId channel;
  Bytes handshake;  ///< The remote's.
};
/// The remote answered our Open with Reject. The channel is gone.
struct Rejected {
  ChannelId channel;
};
/// The remote closed a live channel. The channel is gone.
struct Closed {
  ChannelId channel;
};
/// A message on a live channel. `body` borrows from the frame: valid until the next receive().
struct ChannelMessage {
  ChannelId channel;
  std::uint64_t type = 0;
  ByteView body;
};
using MuxEvent = std::variant<RemoteOpen, Paired, Rejected, Closed, ChannelMessage>;

/// Protomux: many channels over one stream of frames. Pure: frames in, events and frames out.
///
/// Rules (SPEC section 5, each with its reason there):
///  1. Every Open of the remote that we did not ask for is answered exactly once.
///  2. An own id is used again only after the remote's Close, or after our Close once the remote had opened.
///  3. close() of a channel that is not paired yet is kept back until the remote answered.
///  4. Batches are decoded; frames we send are single messages, several control messages may be batched.
///  5. Opens that pair (both sides opened the same protocol and id) produce Paired and no answer.
///  6. `hypercore` is an alias: an incoming Open for it pairs with an own `hypercore/alpha`.
/// Thread-safety: none.
class ChannelMux {
 public:
  explicit ChannelMux(MuxLimits const& limits);

  /// Takes one frame (plaintext of the transport).
  /// Errors: Malformed, LimitExceeded, Protocol. The connection has to be closed then.
  Result<void> receive(Bytes frame);
  std::optional<MuxEvent> next_event();

  /// Sends our Open. Requires: no channel of ours for (protocol, id) is open or opening.
  /// Errors: LimitExceeded when all ids are taken.
  Result<ChannelId> open(std::string_view protocol, ByteView id, ByteView handshake);
  /// Answers a RemoteOpen: the channel is live at once (no Paired event follows) and frames kept for it come as events.
  Result<ChannelId> accept(RemoteOpen const& remote, ByteView handshake);
  void reject(RemoteOpen const& remote);
  /// The remote hears of it; events of this channel end at once.
  void close(ChannelId channel);
  /// Requires: `channel` is open or opening (messages sent before pairing are legal).
  void send(ChannelId channel, std::uint64_t type, ByteView body);

  /// Returns: the next frame to give to Transport::send, nothing if there is none.
  std::optional<Bytes> next_output();

  std::size_t channel_count() const;
  void check_invariants() const;
};

}  // namespace holdfast::wire
