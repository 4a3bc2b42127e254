#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong_id.h"

namespace holdfast::wire {

using ChannelId = StrongId<struct ChannelIdTag>;  ///< Our own number of a channel, from 1.

struct MuxLimits {
  std::size_t channels_max = 65'536;
  std::size_t unpaired_bytes_max =
      32 * 1024;  ///< Frames kept for Opens of the remote that nobody answered yet.
  std::size_t unanswered_opens_max = 1'024;  ///< Opens of the remote that nobody answered yet.
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
/// ```
///   own channel:  open() -> Opening --remote's Open--> Live --remote's Close--> Gone (until the
///   event was taken)
///                 accept() -> Live                Opening --remote's Reject--> Gone
///                 Opening --close()--> Closing --remote's Open or Reject--> forgotten
/// ```
/// Rules (SPEC section 5, each with its reason there):
///  1. Every Open of the remote that we did not ask for is answered exactly once.
///  2. An own id is used again only after the remote's Close, or after our Close once the remote
///  had opened.
///  3. close() of a channel that is not paired yet is kept back until the remote answered.
///  4. Batches are decoded; frames we send are single messages.
///  5. Opens that pair (both sides opened the same protocol and id) produce Paired and no answer.
///  6. `hypercore` is an alias: an incoming Open for it pairs with an own `hypercore/alpha`, is
///  reported under that
///     name, and is answered under the name it came with.
///  7. The mux itself rejects an Open for a (protocol, id) that the remote has open already, an
///  Open above
///     unanswered_opens_max, and an Open that the remote closes again before we answered.
///     Why: the answers would be the same, and nobody can pair the wrong two.
///  8. An id whose Closed or Rejected was not taken yet is not used again.
///     Why: an event never means another channel than the one it was made for.
/// Complexity: logarithmic in the channels for each message. Memory: MuxLimits, plus the frames
/// whose events wait. Thread-safety: none.
class ChannelMux {
 public:
  explicit ChannelMux(MuxLimits const& limits);

  /// Takes one frame (plaintext of the transport).
  /// Errors: Malformed, LimitExceeded, Protocol. The connection has to be closed then.
  Result<void> receive(Bytes frame);
  std::optional<MuxEvent> next_event();

  /// Sends our Open. Requires: no channel of ours for (protocol, id) is open or opening. If an Open
  /// of the remote for it waits, the two pair at once and that RemoteOpen needs no answer any more.
  /// Errors: LimitExceeded when all ids are taken; Conflict when such a channel was closed with
  /// another handshake and the
  ///   remote has not answered yet (with the same handshake it is revived).
  Result<ChannelId> open(std::string_view protocol, ByteView id, ByteView handshake);
  /// Answers a RemoteOpen: the channel is live at once (no Paired event follows) and frames kept
  /// for it come as events. Errors: NotFound when the remote took it back or it was answered
  /// meanwhile (nothing is left to do); LimitExceeded
  ///   when all ids are taken (it was rejected).
  Result<ChannelId> accept(RemoteOpen const& remote, ByteView handshake);
  /// Does nothing when the remote took it back or it was answered meanwhile.
  void reject(RemoteOpen const& remote);
  /// The remote hears of it; events of this channel end at once.
  /// Requires: `channel` is open or opening, or its Closed or Rejected was not taken yet.
  void close(ChannelId channel);
  /// Requires: as for close() (messages sent before pairing are legal). What is sent to a channel
  /// that the remote has closed meanwhile is dropped.
  void send(ChannelId channel, std::uint64_t type, ByteView body);

  /// Returns: the next frame to give to Transport::send, nothing if there is none.
  std::optional<Bytes> next_output();

  /// Channels of ours that are opening or live.
  std::size_t channel_count() const;
  void check_invariants() const;

 private:
  using Key = std::pair<std::string, Bytes>;  ///< Protocol (its alias resolved) and id.
  using Frame = std::shared_ptr<Bytes const>;

  struct Channel {
    enum class Phase : std::uint8_t { Opening, Live, Closing, Gone };
    Phase phase = Phase::Opening;
    std::uint64_t serial = 0;     ///< Tells channels apart that had the same id.
    std::uint64_t remote_id = 0;  ///< While Live.
    Key key;
    Bytes handshake;  ///< Ours.
  };
  struct KeptMessage {
    std::uint64_t type = 0;
    Bytes body;
  };
  struct UnansweredOpen {
    std::uint64_t serial = 0;
    std::string spelling;  ///< The protocol as the remote wrote it.
    Key key;
    Bytes handshake;
    std::vector<KeptMessage> kept;
    std::size_t charge = 0;  ///< Its part of unpaired_bytes_.
  };
  struct QueuedEvent {
    MuxEvent event;
    std::uint64_t serial = 0;  ///< Of the channel or UnansweredOpen it is about.
    Frame frame;               ///< Owns what a ChannelMessage borrows.
  };

  Result<void> receive_control(ByteView body, Frame const& frame);
  Result<void> receive_batch(ByteView body, Frame const& frame);
  Result<void> receive_entry(std::uint64_t remote_id, ByteView entry, Frame const& frame);
  Result<void> receive_open(ByteView body);
  Result<void> receive_reject(ByteView body);
  Result<void> receive_close(ByteView body);
  Result<void> receive_message(std::uint64_t remote_id, ByteView body, Frame const& frame);
  Result<void> keep(UnansweredOpen& open, std::uint64_t type, ByteView body);

  std::optional<std::uint64_t> take_id();
  Channel& add_channel(std::uint64_t own_id, Key const& key, ByteView handshake);
  void pair(std::uint64_t own_id, std::uint64_t remote_id);
  void release_kept(std::uint64_t own_id, UnansweredOpen& open);
  UnansweredOpen* find(RemoteOpen const& remote);
  UnansweredOpen forget_unanswered(std::uint64_t remote_id);
  void forget(std::uint64_t own_id);
  void make_gone(std::uint64_t own_id);
  bool still_meant(QueuedEvent const& queued) const;
  void push_event(MuxEvent event, std::uint64_t serial, Frame frame = nullptr);
  void send_open(std::uint64_t own_id, std::string_view protocol, ByteView id, ByteView handshake);
  void send_control(std::uint64_t kind, std::uint64_t id);

  MuxLimits limits_;
  std::uint64_t next_serial_ = 1;

  std::map<std::uint64_t, Channel> channels_;  ///< By own id.
  std::map<Key, std::uint64_t> own_by_key_;    ///< Of channels that are not Gone.
  std::set<std::uint64_t> free_ids_;
  std::uint64_t own_highest_ = 0;

  std::map<std::uint64_t, std::uint64_t> own_by_remote_;  ///< Live channels.
  std::map<std::uint64_t, UnansweredOpen> unanswered_;    ///< By the remote's id.
  std::map<Key, std::uint64_t> unanswered_by_key_;
  std::uint64_t remote_highest_ = 0;
  std::size_t unpaired_bytes_ = 0;

  std::deque<QueuedEvent> events_;
  std::vector<Frame> delivered_;  ///< Owners of the bodies handed out since the last receive().
  std::deque<Bytes> output_;
};

}  // namespace holdfast::wire
