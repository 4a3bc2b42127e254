#include "sim/sync/spy.h"

#include <algorithm>

#include "base/check.h"
#include "wire/capability.h"

namespace holdfast::sim {

Spy::Spy(CoreKey const& core, std::uint64_t seed)
    : core_(core), rng_(seed), transport_(wire::Role::Initiator, KeyPair::random(), {}) {}

void Spy::closed() {
  transport_ = wire::Transport(wire::Role::Initiator, KeyPair::random(), {});
  mux_.reset();
  channel_.reset();
  live_ = false;
  asked_.clear();
  heard_ = {};
}

std::optional<Instant> Spy::oldest_unanswered() const {
  if (asked_.empty()) return std::nullopt;
  return std::min_element(asked_.begin(), asked_.end(),
                          [](auto const& a, auto const& b) { return a.second < b.second; })
      ->second;
}

Bytes Spy::flush() {
  while (mux_) {
    std::optional<Bytes> const frame = mux_->next_output();
    if (!frame) break;
    transport_.send(*frame);
  }
  return transport_.take_output();
}

void Spy::send(wire::Message const& message, std::uint64_t type) {
  mux_->send(*channel_, type, wire::encode(message));
}

Bytes Spy::receive(ByteView bytes, core::CoreView const& durable, Instant /*now*/) {
  if (!bytes.empty() && !transport_.receive(bytes)) {
    complaints_.push_back("the node broke the transport");
    return {};
  }
  transport_.set_trusted();
  if (!mux_ && transport_.handshake_hash()) {
    mux_.emplace(wire::MuxLimits{});
    Hash const capability =
        wire::capability(wire::Role::Initiator, *transport_.handshake_hash(), core_);
    Bytes const handshake =
        wire::encode(wire::OpenHandshake{.seeks = false, .capability = capability});
    Result<wire::ChannelId> const opened =
        mux_->open("hypercore/alpha", discovery_key_of(core_).view(), handshake);
    HOLDFAST_CHECK(opened.ok());
    channel_ = *opened;
  }
  while (std::optional<Bytes> frame = transport_.next_frame()) {
    if (!mux_->receive(*std::move(frame))) complaints_.push_back("the node broke the channel mux");
    while (std::optional<wire::MuxEvent> const event = mux_->next_event()) {
      if (std::holds_alternative<wire::Paired>(*event)) {
        live_ = true;
        send(wire::Sync{.can_upgrade = false, .uploading = true, .downloading = true},
             wire::Sync::kType);
        send(wire::Want{.start = 0, .length = 2'097'152, .any = false}, wire::Want::kType);
      } else if (auto const* const message = std::get_if<wire::ChannelMessage>(&*event)) {
        Result<std::optional<wire::Message>> const decoded =
            wire::decode_message(message->type, message->body, {});
        if (!decoded || !*decoded) {
          complaints_.push_back("the node sent a message that does not decode");
        } else {
          on_message(**decoded, durable);
        }
      } else if (auto const* const open = std::get_if<wire::RemoteOpen>(&*event)) {
        mux_->reject(*open);
      } else {
        live_ = false;
      }
    }
  }
  return flush();
}

void Spy::on_message(wire::Message const& message, core::CoreView const& durable) {
  if (auto const* const sync = std::get_if<wire::Sync>(&message)) {
    heard_ = *sync;
    if (sync->fork > durable.head().fork ||
        (sync->fork == durable.head().fork && sync->length > durable.head().length)) {
      complaints_.push_back("announced length " + std::to_string(sync->length) +
                            " before it was durable");
    }
  } else if (auto const* const range = std::get_if<wire::Range>(&message)) {
    if (!range->drop) expect_durable(range->start, range->start + range->length, durable);
  } else if (auto const* const bits = std::get_if<wire::Bitfield>(&message)) {
    for (std::uint64_t i = 0; i < bits->words.size() * 32; ++i) {
      if ((bits->words[i / 32] >> (i % 32) & 1U) != 0) {
        expect_durable(bits->start + i, bits->start + i + 1, durable);
      }
    }
  } else {
    auto const* const data = std::get_if<wire::Data>(&message);
    auto const* const no_data = std::get_if<wire::NoData>(&message);
    if (data == nullptr && no_data == nullptr) return;
    std::uint64_t const id = data != nullptr ? data->request : no_data->request;
    if (asked_.erase(id) == 0)
      complaints_.push_back("answered a request twice, or one nobody made");
    ++answers_;
  }
}

void Spy::expect_durable(std::uint64_t start, std::uint64_t end, core::CoreView const& durable) {
  for (std::uint64_t block = start; block < end; ++block) {
    Result<std::optional<Bytes>> const value = durable.block(BlockIndex(block));
    if (!value || !*value) {
      complaints_.push_back("announced block " + std::to_string(block) + " which is not durable");
      return;
    }
  }
}

Bytes Spy::ask(Instant now) {
  if (!live_) return {};
  wire::Request request;
  request.id = next_id_++;
  request.fork = heard_.fork + (rng_.below(8) == 0 ? 1 : 0);
  std::uint64_t const beyond = heard_.length + 4;
  request.what.block =
      merkle::ProofRequest::Block{.index = BlockIndex(rng_.below(beyond)), .nodes = rng_.below(4)};
  if (rng_.below(4) == 0) {
    request.what.block.reset();
    request.what.hash = merkle::ProofRequest::HashNode{.index = TreeIndex(rng_.below(2 * beyond)),
                                                       .nodes = rng_.below(4)};
  }
  if (rng_.below(4) == 0) {
    request.what.upgrade =
        merkle::ProofRequest::Upgrade{.start = rng_.below(beyond), .length = rng_.below(beyond)};
  }
  asked_.emplace(request.id, now);
  send(request, wire::Request::kType);
  return flush();
}

}  // namespace holdfast::sim
