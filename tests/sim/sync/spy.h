#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "core/store.h"
#include "wire/channel_mux.h"
#include "wire/messages.h"
#include "wire/transport.h"

namespace holdfast::sim {

/// A wire peer that is no engine: it knows one core key, listens to everything a node says about it, and holds the
/// node to its word.
///
/// What it checks, each as soon as the bytes leave the node:
///  1. Every block of a Range or Bitfield is durable at that moment, and the length of a Sync is.
///  2. Every request it made is answered, once: Data or NoData.
/// It asks for blocks that exist, that do not, and for other forks.
class Spy {
 public:
  Spy(CoreKey const& core, std::uint64_t seed);

  /// Bytes from the node, and what the node's disk holds now. Returns: bytes for the node.
  Bytes receive(ByteView bytes, core::CoreView const& durable, Instant now);
  /// The connection ended: unanswered requests are void.
  void closed();
  /// Asks for something, if the channel is live. Returns: bytes for the node.
  Bytes ask(Instant now);

  /// Broken promises, in words. Empty: none.
  std::vector<std::string> const& complaints() const { return complaints_; }
  /// When the oldest request that is still unanswered was made.
  std::optional<Instant> oldest_unanswered() const;
  std::uint64_t answers() const { return answers_; }

 private:
  void on_message(wire::Message const& message, core::CoreView const& durable);
  void expect_durable(std::uint64_t start, std::uint64_t end, core::CoreView const& durable);
  void send(wire::Message const& message, std::uint64_t type);
  Bytes flush();

  CoreKey core_;
  SeededRng rng_;
  wire::Transport transport_;
  std::optional<wire::ChannelMux> mux_;
  std::optional<wire::ChannelId> channel_;
  bool live_ = false;
  wire::Sync heard_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Instant> asked_;
  std::uint64_t answers_ = 0;
  std::vector<std::string> complaints_;
};

}  // namespace holdfast::sim
