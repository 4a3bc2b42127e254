#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "store/memory_store.h"
#include "support/test_core.h"
#include "sync/engine.h"
#include "wire/capability.h"
#include "wire/channel_mux.h"
#include "wire/messages.h"
#include "wire/transport.h"

namespace holdfast::testing {

/// An engine over a memory store, whose effects are done at once, on a clock that the test moves.
class EngineUnderTest {
 public:
  explicit EngineUnderTest(sync::Options const& options = {}) : engine(options, rng_) {}

  /// Puts everything this core has into the store, and hosts it.
  void host(TestCore const& core) {
    core::Commit commit{.core = core.key()};
    if (!core.manifest().empty()) commit.manifest = core.manifest();
    commit.head = core.view().head();
    for (auto const& [index, node] : core.view().nodes) commit.nodes.push_back(node);
    for (auto const& [index, value] : core.view().blocks) commit.blocks.push_back({index, value});
    HOLDFAST_CHECK(store.commit({&commit, 1}).ok());
    engine.host(core.key(), core.key(), now);
    settle();
  }
  void settle() {
    bool again = true;
    while (again) {
      again = false;
      for (sync::Effect& effect : engine.take_effects()) {
        again = true;
        perform(effect);
      }
    }
    while (std::optional<sync::Event> event = engine.next_event())
      events.push_back(*std::move(event));
    engine.check_invariants();
  }
  void advance(Duration by) {
    now += by;
    engine.on_tick(now);
    settle();
  }
  /// Why this wire peer was thrown out, if it was.
  std::optional<ErrorCode> closed(sync::PeerId peer) const {
    for (sync::Event const& event : events) {
      auto const* const gone = std::get_if<sync::PeerClosed>(&event);
      if (gone != nullptr && gone->peer == peer) return gone->reason.code;
    }
    return std::nullopt;
  }

  store::MemoryStore store;
  Instant now{};
  std::vector<sync::Event> events;
  Result<void> commit_answer;  ///< What the disk says to commits.
  bool hold_commits = false;   ///< Keep ingest jobs in `held` instead of committing.
  std::vector<sync::IngestResult> held;
  bool hold_loads = false;  ///< Keep loads back until load_held().
  void load_held() {
    for (CoreKey const& core : std::exchange(held_loads_, {})) {
      engine.on_core_loaded(core, store.load(core), now);
    }
    settle();
  }

 private:
  SeededRng rng_{1};
  std::vector<CoreKey> held_loads_;

 public:
  sync::Engine engine;

  void finish(sync::IngestResult result) {
    Result<void> durable = commit_answer;
    if (durable && !result.commit.empty()) durable = store.commit({&result.commit, 1});
    engine.on_ingested(std::move(result), durable, now);
  }

 private:
  void perform(sync::Effect& effect) {
    if (auto const* const load = std::get_if<sync::LoadCore>(&effect)) {
      if (hold_loads) {
        held_loads_.push_back(load->core);
      } else {
        engine.on_core_loaded(load->core, store.load(load->core), now);
      }
    } else if (auto const* const serve = std::get_if<sync::ServeJob>(&effect)) {
      engine.on_served(sync::run(*serve, **store.view(serve->core)), now);
    } else {
      sync::IngestJob& job = std::get<sync::IngestJob>(effect);
      CoreKey const core = job.core;
      sync::IngestResult result = sync::run(std::move(job), **store.view(core));
      if (hold_commits) {
        held.push_back(std::move(result));
      } else {
        finish(std::move(result));
      }
    }
  }
};

/// A wire peer in the hands of a test: says exactly what it is told to, and keeps what it hears.
class RawPeer {
 public:
  struct Heard {
    std::uint64_t type = 0;
    Bytes body;
  };

  RawPeer(EngineUnderTest& under_test, wire::Role role = wire::Role::Initiator)
      : host_(under_test), transport_(role, KeyPair::random(), {}) {
    transport_.set_trusted();
    wire::Role const other =
        role == wire::Role::Initiator ? wire::Role::Responder : wire::Role::Initiator;
    id = host_.engine.connect(other, KeyPair::random(), {}, host_.now);
    exchange();
  }

  /// Opens the core's channel; `capability` other than the right one is what an attacker has.
  void open(CoreKey const& core, std::optional<Hash> capability = std::nullopt) {
    Hash const right = wire::capability(transport_.role(), *transport_.handshake_hash(), core);
    wire::OpenHandshake const handshake{.seeks = false, .capability = capability.value_or(right)};
    Result<wire::ChannelId> const opened =
        mux->open("hypercore/alpha", discovery_key_of(core).view(), wire::encode(handshake));
    HOLDFAST_CHECK(opened.ok());
    channel = *opened;
    exchange();
  }
  template <typename M>
  void send(M const& message) {
    mux->send(channel, M::kType, wire::encode(wire::Message(message)));
    exchange();
  }
  void send_raw(std::uint64_t type, Bytes const& body) {
    mux->send(channel, type, body);
    exchange();
  }
  /// Plain bytes as one frame, whatever they mean.
  void send_frame(ByteView plain) {
    transport_.send(plain);
    exchange();
  }
  /// Bytes behind the transport's back.
  void send_garbage(ByteView bytes) {
    host_.engine.receive(id, bytes, host_.now);
    host_.settle();
  }

  /// Moves bytes both ways until both are silent.
  void exchange() {
    bool again = true;
    while (again) {
      again = false;
      while (mux) {
        std::optional<Bytes> const frame = mux->next_output();
        if (!frame) break;
        transport_.send(*frame);
      }
      if (Bytes const ours = transport_.take_output(); !ours.empty()) {
        again = true;
        host_.engine.receive(id, ours, host_.now);
        host_.settle();
      }
      if (Bytes const theirs = host_.engine.take_output(id); !theirs.empty()) {
        again = true;
        HOLDFAST_CHECK(transport_.receive(theirs).ok());
        host_.engine.on_drained(id, host_.now);
        host_.settle();
      }
      if (!mux && transport_.handshake_hash()) mux.emplace(wire::MuxLimits{});
      while (std::optional<Bytes> frame = transport_.next_frame()) hear(*std::move(frame));
    }
  }

  /// The last message of this kind, if there was one.
  template <typename M>
  std::optional<M> last() const {
    for (auto at = heard.rbegin(); at != heard.rend(); ++at) {
      if (at->type == M::kType) return std::get<M>(**wire::decode_message(at->type, at->body, {}));
    }
    return std::nullopt;
  }
  template <typename M>
  std::vector<M> all() const {
    std::vector<M> out;
    for (Heard const& one : heard) {
      if (one.type == M::kType)
        out.push_back(std::get<M>(**wire::decode_message(one.type, one.body, {})));
    }
    return out;
  }

  sync::PeerId id;
  std::optional<wire::ChannelMux> mux;
  wire::ChannelId channel;
  bool live = false;
  bool rejected = false;
  std::size_t remote_opens = 0;  ///< Channels that the engine wanted; all rejected.
  std::vector<Heard> heard;

 private:
  void hear(Bytes frame) {
    HOLDFAST_CHECK(mux->receive(std::move(frame)).ok());
    while (std::optional<wire::MuxEvent> const event = mux->next_event()) {
      if (auto const* const message = std::get_if<wire::ChannelMessage>(&*event)) {
        heard.push_back({message->type, to_bytes(message->body)});
      } else if (std::holds_alternative<wire::Paired>(*event)) {
        live = true;
      } else if (std::holds_alternative<wire::Rejected>(*event)) {
        rejected = true;
      } else if (auto const* const remote = std::get_if<wire::RemoteOpen>(&*event)) {
        ++remote_opens;
        mux->reject(*remote);
      } else {
        live = false;
      }
    }
  }

  EngineUnderTest& host_;
  wire::Transport transport_;
};

}  // namespace holdfast::testing
