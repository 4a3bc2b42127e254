#include "wire/channel_mux.h"

#include <algorithm>

#include "base/check.h"
#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::wire {

namespace {

constexpr std::uint64_t kControlChannel = 0;
constexpr std::uint64_t kBatch = 0;
constexpr std::uint64_t kOpen = 1;
constexpr std::uint64_t kReject = 2;
constexpr std::uint64_t kClose = 3;

constexpr std::size_t kKeptMessageCost =
    64;  // Of its bookkeeping, so that empty messages are not free.
constexpr std::size_t kFreeHandshakeBytes = 256;  // Those of known protocols are shorter than that.

std::string_view resolve_alias(std::string_view protocol) {
  return protocol == "hypercore" ? std::string_view("hypercore/alpha") : protocol;
}

Unexpected malformed(char const* detail) { return {ErrorCode::Malformed, detail}; }
Unexpected violation(char const* detail) { return {ErrorCode::Protocol, detail}; }

}  // namespace

ChannelMux::ChannelMux(MuxLimits const& limits) : limits_(limits) {}

Result<void> ChannelMux::receive(Bytes bytes) {
  delivered_.clear();
  if (bytes.empty()) return {};
  Frame const frame = std::make_shared<Bytes const>(std::move(bytes));
  Decoder in(*frame);
  std::uint64_t const remote_id = in.read_uint();
  ByteView const rest = in.read_rest();
  if (auto const end = in.finish(); !end) return end;
  if (remote_id == kControlChannel) return receive_control(rest, frame);
  return receive_message(remote_id, rest, frame);
}

Result<void> ChannelMux::receive_control(ByteView body, Frame const& frame) {
  Decoder in(body);
  std::uint64_t const kind = in.read_uint();
  ByteView const rest = in.read_rest();
  if (auto const end = in.finish(); !end) return end;
  if (kind == kBatch) return receive_batch(rest, frame);
  return receive_entry(kControlChannel, body, frame);
}

Result<void> ChannelMux::receive_batch(ByteView body, Frame const& frame) {
  Decoder in(body);
  std::uint64_t remote_id = in.read_uint();
  std::size_t count = 0;
  while (in.ok() && in.remaining() > 0) {
    ByteView const entry = in.read_buffer(body.size());
    if (!in.ok()) break;
    if (entry.empty()) {
      remote_id = in.read_uint();
      continue;
    }
    if (++count > limits_.batch_messages_max) {
      return Unexpected(ErrorCode::LimitExceeded, "too many messages in a batch");
    }
    if (auto const handled = receive_entry(remote_id, entry, frame); !handled) return handled;
  }
  return in.finish();
}

Result<void> ChannelMux::receive_entry(std::uint64_t remote_id, ByteView entry,
                                       Frame const& frame) {
  if (remote_id != kControlChannel) return receive_message(remote_id, entry, frame);
  Decoder in(entry);
  std::uint64_t const kind = in.read_uint();
  ByteView const rest = in.read_rest();
  if (auto const end = in.finish(); !end) return end;
  switch (kind) {
    case kBatch:
      return violation("batch inside a batch");
    case kOpen:
      return receive_open(rest);
    case kReject:
      return receive_reject(rest);
    case kClose:
      return receive_close(rest);
    default:
      return {};  // As JavaScript peers do with kinds that they do not know.
  }
}

Result<void> ChannelMux::receive_open(ByteView body) {
  Decoder in(body);
  std::uint64_t const remote_id = in.read_uint();
  std::string_view const spelling = in.read_string(limits_.protocol_bytes_max);
  ByteView const id = in.read_buffer(limits_.id_bytes_max);
  ByteView const handshake = in.read_rest();
  if (auto const end = in.finish(); !end) return end;
  if (handshake.size() > limits_.handshake_bytes_max) {
    return Unexpected(ErrorCode::LimitExceeded, "channel handshake longer than its limit");
  }
  bool const in_use = own_by_remote_.contains(remote_id) || unanswered_.contains(remote_id);
  if (remote_id == 0 || remote_id > remote_highest_ + 1 || in_use) {
    return violation("channel id in use or out of sequence");
  }
  remote_highest_ = std::max(remote_highest_, remote_id);

  Key key{resolve_alias(spelling), to_bytes(id)};
  if (auto const own = own_by_key_.find(key); own != own_by_key_.end()) {
    std::uint64_t const own_id = own->second;
    Channel& channel = channels_.at(own_id);
    if (channel.phase == Channel::Phase::Live) {
      send_control(kReject, remote_id);
    } else if (channel.phase == Channel::Phase::Closing) {
      send_control(kClose, own_id);
      forget(own_id);
    } else {
      pair(own_id, remote_id);
      push_event(Paired{.channel = ChannelId(own_id), .handshake = to_bytes(handshake)},
                 channel.serial);
    }
    return {};
  }
  if (unanswered_by_key_.contains(key) || unanswered_.size() >= limits_.unanswered_opens_max) {
    send_control(kReject, remote_id);
    return {};
  }
  std::size_t const charge = handshake.size() > kFreeHandshakeBytes ? handshake.size() : 0;
  if (unpaired_bytes_ + charge > limits_.unpaired_bytes_max) {
    return Unexpected(ErrorCode::LimitExceeded, "too much waits for channels to be opened");
  }
  unpaired_bytes_ += charge;
  std::uint64_t const serial = next_serial_++;
  unanswered_by_key_.emplace(key, remote_id);
  unanswered_.emplace(remote_id, UnansweredOpen{.serial = serial,
                                                .spelling = std::string(spelling),
                                                .key = std::move(key),
                                                .handshake = to_bytes(handshake),
                                                .kept = {},
                                                .charge = charge});
  // Its text and bytes are filled in when it is taken: kept once, not twice.
  push_event(RemoteOpen{.remote_id = remote_id, .protocol = {}, .id = {}, .handshake = {}}, serial);
  return {};
}

Result<void> ChannelMux::receive_reject(ByteView body) {
  Decoder in(body);
  std::uint64_t const own_id = in.read_uint();
  if (auto const end = in.finish(); !end) return end;
  auto const found = channels_.find(own_id);
  if (found == channels_.end()) return violation("reject of a channel that is not opening");
  Channel const& channel = found->second;
  switch (channel.phase) {
    case Channel::Phase::Opening:
      make_gone(own_id);
      push_event(Rejected{.channel = ChannelId(own_id)}, channel.serial);
      return {};
    case Channel::Phase::Closing:
      forget(own_id);
      return {};
    case Channel::Phase::Live:
    case Channel::Phase::Gone:
      break;
  }
  return violation("reject of a channel that is not opening");
}

Result<void> ChannelMux::receive_close(ByteView body) {
  Decoder in(body);
  std::uint64_t const remote_id = in.read_uint();
  if (auto const end = in.finish(); !end) return end;
  if (auto const live = own_by_remote_.find(remote_id); live != own_by_remote_.end()) {
    std::uint64_t const own_id = live->second;
    make_gone(own_id);
    push_event(Closed{.channel = ChannelId(own_id)}, channels_.at(own_id).serial);
  } else if (unanswered_.contains(remote_id)) {
    send_control(kReject, remote_id);  // A JavaScript peer keeps the id until it hears an answer.
    forget_unanswered(remote_id);
  }
  return {};
}

Result<void> ChannelMux::receive_message(std::uint64_t remote_id, ByteView body,
                                         Frame const& frame) {
  auto const live = own_by_remote_.find(remote_id);
  auto const waiting =
      live == own_by_remote_.end() ? unanswered_.find(remote_id) : unanswered_.end();
  if (live == own_by_remote_.end() && waiting == unanswered_.end()) return {};
  Decoder in(body);
  std::uint64_t const type = in.read_uint();
  ByteView const rest = in.read_rest();
  if (!in.ok()) return malformed("channel message without its type");
  if (waiting != unanswered_.end()) return keep(waiting->second, type, rest);
  push_event(ChannelMessage{.channel = ChannelId(live->second), .type = type, .body = rest},
             channels_.at(live->second).serial, frame);
  return {};
}

Result<void> ChannelMux::keep(UnansweredOpen& open, std::uint64_t type, ByteView body) {
  std::size_t const cost = body.size() + kKeptMessageCost;
  if (unpaired_bytes_ + cost > limits_.unpaired_bytes_max) {
    return Unexpected(ErrorCode::LimitExceeded, "too much waits for channels to be opened");
  }
  unpaired_bytes_ += cost;
  open.charge += cost;
  open.kept.push_back(KeptMessage{.type = type, .body = to_bytes(body)});
  return {};
}

bool ChannelMux::still_meant(QueuedEvent const& queued) const {
  if (auto const* open = std::get_if<RemoteOpen>(&queued.event)) {
    auto const found = unanswered_.find(open->remote_id);
    return found != unanswered_.end() && found->second.serial == queued.serial;
  }
  ChannelId channel;
  if (auto const* message = std::get_if<ChannelMessage>(&queued.event)) channel = message->channel;
  if (auto const* paired = std::get_if<Paired>(&queued.event)) channel = paired->channel;
  if (auto const* rejected = std::get_if<Rejected>(&queued.event)) channel = rejected->channel;
  if (auto const* closed = std::get_if<Closed>(&queued.event)) channel = closed->channel;
  auto const found = channels_.find(channel.value());
  return found != channels_.end() && found->second.serial == queued.serial;
}

std::optional<MuxEvent> ChannelMux::next_event() {
  while (!events_.empty()) {
    QueuedEvent queued = std::move(events_.front());
    events_.pop_front();
    if (!still_meant(queued)) continue;
    if (auto* open = std::get_if<RemoteOpen>(&queued.event)) {
      UnansweredOpen const& unanswered = unanswered_.at(open->remote_id);
      open->protocol = unanswered.key.first;
      open->id = unanswered.key.second;
      open->handshake = unanswered.handshake;
    }
    if (auto const* rejected = std::get_if<Rejected>(&queued.event))
      forget(rejected->channel.value());
    if (auto const* closed = std::get_if<Closed>(&queued.event)) forget(closed->channel.value());
    if (queued.frame && (delivered_.empty() || delivered_.back() != queued.frame)) {
      delivered_.push_back(std::move(queued.frame));
    }
    return std::move(queued.event);
  }
  return std::nullopt;
}

Result<ChannelId> ChannelMux::open(std::string_view protocol, ByteView id, ByteView handshake) {
  Key key{resolve_alias(protocol), to_bytes(id)};
  if (auto const existing = own_by_key_.find(key); existing != own_by_key_.end()) {
    Channel& channel = channels_.at(existing->second);
    HOLDFAST_CHECK(channel.phase == Channel::Phase::Closing);
    if (channel.handshake != to_bytes(handshake)) {
      return Unexpected(ErrorCode::Conflict, "the remote has not answered the last open yet");
    }
    channel.phase = Channel::Phase::Opening;
    return ChannelId(existing->second);
  }
  std::optional<std::uint64_t> const own_id = take_id();
  if (!own_id) return Unexpected(ErrorCode::LimitExceeded, "all channel ids are taken");
  Channel const& channel = add_channel(*own_id, key, handshake);
  send_open(*own_id, protocol, id, handshake);
  if (auto const waiting = unanswered_by_key_.find(key); waiting != unanswered_by_key_.end()) {
    std::uint64_t const remote_id = waiting->second;
    UnansweredOpen remote = forget_unanswered(remote_id);
    pair(*own_id, remote_id);
    push_event(Paired{.channel = ChannelId(*own_id), .handshake = std::move(remote.handshake)},
               channel.serial);
    release_kept(*own_id, remote);
  }
  return ChannelId(*own_id);
}

Result<ChannelId> ChannelMux::accept(RemoteOpen const& remote, ByteView handshake) {
  if (find(remote) == nullptr) {
    return Unexpected(ErrorCode::NotFound, "the remote took its open back");
  }
  UnansweredOpen open = forget_unanswered(remote.remote_id);
  std::optional<std::uint64_t> const own_id = take_id();
  if (!own_id) {
    send_control(kReject, remote.remote_id);
    return Unexpected(ErrorCode::LimitExceeded, "all channel ids are taken");
  }
  add_channel(*own_id, open.key, handshake);
  pair(*own_id, remote.remote_id);
  send_open(*own_id, open.spelling, open.key.second, handshake);
  release_kept(*own_id, open);
  return ChannelId(*own_id);
}

void ChannelMux::reject(RemoteOpen const& remote) {
  if (find(remote) == nullptr) return;
  forget_unanswered(remote.remote_id);
  send_control(kReject, remote.remote_id);
}

void ChannelMux::close(ChannelId id) {
  auto const found = channels_.find(id.value());
  HOLDFAST_CHECK(found != channels_.end() && found->second.phase != Channel::Phase::Closing);
  switch (found->second.phase) {
    case Channel::Phase::Opening:
      found->second.phase = Channel::Phase::Closing;
      return;
    case Channel::Phase::Live:
      send_control(kClose, id.value());
      break;
    case Channel::Phase::Closing:
    case Channel::Phase::Gone:
      break;
  }
  forget(id.value());
}

void ChannelMux::send(ChannelId id, std::uint64_t type, ByteView body) {
  auto const found = channels_.find(id.value());
  HOLDFAST_CHECK(found != channels_.end() && found->second.phase != Channel::Phase::Closing);
  if (found->second.phase == Channel::Phase::Gone) return;
  Encoder out;
  out.reserve(18 + body.size());
  out.write_uint(id.value()).write_uint(type).write_raw(body);
  output_.push_back(std::move(out).take());
}

std::optional<Bytes> ChannelMux::next_output() {
  if (output_.empty()) return std::nullopt;
  Bytes frame = std::move(output_.front());
  output_.pop_front();
  return frame;
}

std::size_t ChannelMux::channel_count() const {
  std::size_t count = 0;
  for (auto const& [id, channel] : channels_) {
    bool const counts =
        channel.phase == Channel::Phase::Opening || channel.phase == Channel::Phase::Live;
    count += counts ? 1U : 0U;
  }
  return count;
}

std::optional<std::uint64_t> ChannelMux::take_id() {
  if (!free_ids_.empty()) return free_ids_.extract(free_ids_.begin()).value();
  if (own_highest_ >= limits_.channels_max) return std::nullopt;
  return ++own_highest_;
}

ChannelMux::Channel& ChannelMux::add_channel(std::uint64_t own_id, Key const& key,
                                             ByteView handshake) {
  own_by_key_.emplace(key, own_id);
  auto const [added, is_new] = channels_.emplace(own_id, Channel{.phase = Channel::Phase::Opening,
                                                                 .serial = next_serial_++,
                                                                 .remote_id = 0,
                                                                 .key = key,
                                                                 .handshake = to_bytes(handshake)});
  HOLDFAST_CHECK(is_new);
  return added->second;
}

void ChannelMux::pair(std::uint64_t own_id, std::uint64_t remote_id) {
  Channel& channel = channels_.at(own_id);
  channel.phase = Channel::Phase::Live;
  channel.remote_id = remote_id;
  channel.handshake = {};
  own_by_remote_.emplace(remote_id, own_id);
}

void ChannelMux::release_kept(std::uint64_t own_id, UnansweredOpen& open) {
  std::uint64_t const serial = channels_.at(own_id).serial;
  for (KeptMessage& message : open.kept) {
    Frame const frame = std::make_shared<Bytes const>(std::move(message.body));
    push_event(ChannelMessage{.channel = ChannelId(own_id), .type = message.type, .body = *frame},
               serial, frame);
  }
}

ChannelMux::UnansweredOpen* ChannelMux::find(RemoteOpen const& remote) {
  auto const found = unanswered_.find(remote.remote_id);
  if (found == unanswered_.end()) return nullptr;
  // The remote may have taken that one back and used its id for another: what was decided about one
  // is not done to the other.
  UnansweredOpen& open = found->second;
  bool const same = open.key.first == remote.protocol && open.key.second == remote.id &&
                    open.handshake == remote.handshake;
  return same ? &open : nullptr;
}

ChannelMux::UnansweredOpen ChannelMux::forget_unanswered(std::uint64_t remote_id) {
  auto const found = unanswered_.find(remote_id);
  HOLDFAST_CHECK(found != unanswered_.end());
  UnansweredOpen open = std::move(found->second);
  unanswered_.erase(found);
  unanswered_by_key_.erase(open.key);
  unpaired_bytes_ -= open.charge;
  return open;
}

void ChannelMux::make_gone(std::uint64_t own_id) {
  Channel& channel = channels_.at(own_id);
  own_by_key_.erase(channel.key);
  if (channel.phase == Channel::Phase::Live) own_by_remote_.erase(channel.remote_id);
  channel.phase = Channel::Phase::Gone;
}

void ChannelMux::forget(std::uint64_t own_id) {
  if (channels_.at(own_id).phase != Channel::Phase::Gone) make_gone(own_id);
  channels_.erase(own_id);
  free_ids_.insert(own_id);
}

void ChannelMux::push_event(MuxEvent event, std::uint64_t serial, Frame frame) {
  events_.push_back(
      QueuedEvent{.event = std::move(event), .serial = serial, .frame = std::move(frame)});
}

void ChannelMux::send_open(std::uint64_t own_id, std::string_view protocol, ByteView id,
                           ByteView handshake) {
  Encoder out;
  out.write_uint(kControlChannel).write_uint(kOpen).write_uint(own_id);
  out.write_string(protocol).write_buffer(id).write_raw(handshake);
  output_.push_back(std::move(out).take());
}

void ChannelMux::send_control(std::uint64_t kind, std::uint64_t id) {
  Encoder out;
  out.write_uint(kControlChannel).write_uint(kind).write_uint(id);
  output_.push_back(std::move(out).take());
}

void ChannelMux::check_invariants() const {
  std::size_t live = 0;
  std::size_t keyed = 0;
  for (auto const& [own_id, channel] : channels_) {
    HOLDFAST_CHECK(own_id >= 1 && own_id <= own_highest_ && !free_ids_.contains(own_id));
    if (channel.phase == Channel::Phase::Gone) continue;
    ++keyed;
    HOLDFAST_CHECK(own_by_key_.at(channel.key) == own_id);
    HOLDFAST_CHECK(!unanswered_by_key_.contains(channel.key));
    if (channel.phase != Channel::Phase::Live) continue;
    ++live;
    HOLDFAST_CHECK(own_by_remote_.at(channel.remote_id) == own_id);
  }
  HOLDFAST_CHECK(own_by_key_.size() == keyed && own_by_remote_.size() == live);
  HOLDFAST_CHECK(channels_.size() + free_ids_.size() == own_highest_);
  HOLDFAST_CHECK(own_highest_ <= limits_.channels_max);

  std::size_t charged = 0;
  for (auto const& [remote_id, open] : unanswered_) {
    HOLDFAST_CHECK(remote_id <= remote_highest_ && !own_by_remote_.contains(remote_id));
    HOLDFAST_CHECK(unanswered_by_key_.at(open.key) == remote_id);
    charged += open.charge;
  }
  HOLDFAST_CHECK(unanswered_by_key_.size() == unanswered_.size());
  HOLDFAST_CHECK(charged == unpaired_bytes_ && unpaired_bytes_ <= limits_.unpaired_bytes_max);
  HOLDFAST_CHECK(unanswered_.size() <= limits_.unanswered_opens_max);
}

}  // namespace holdfast::wire
