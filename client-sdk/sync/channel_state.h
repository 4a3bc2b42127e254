#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/time.h"
#include "sync/remote_have.h"
#include "wire/messages.h"

namespace holdfast::sync {

/// JavaScript peers want aligned segments of this many blocks and drop longer wants. Source: SPEC 7.4.
inline constexpr std::uint64_t kWantBlocks = 2'097'152;

/// A request of ours that was sent and not yet answered.
struct InFlight {
  std::uint64_t fork = 0;
  std::optional<std::uint64_t> block;
  bool upgrade = false;
  Instant sent{};
};

/// Everything about one core on one wire peer: what it told us, what we told it, what is under way.
struct ChannelState {
  ChannelState(std::size_t pages_max, Instant now) : have(pages_max), paused_until(now) {}

  // What the remote told us.
  bool synced = false;  ///< A Sync arrived; before it `remote` means nothing.
  wire::Sync remote;
  RemoteHave have;
  std::vector<wire::Want> wants;

  // What we told the remote.
  std::optional<wire::Sync> sent_sync;
  std::set<std::uint64_t> wanted_segments;  ///< Segments of kWantBlocks that we sent a Want for.

  // Requests of ours.
  std::map<std::uint64_t, InFlight> in_flight;
  std::uint64_t next_request_id = 1;
  bool in_order = true;          ///< Answers so far came in the order of our requests.
  bool upgrade_refused = false;  ///< Until its next Sync.
  Instant paused_until;
  unsigned strikes = 0;    ///< Pauses since the last good answer.
  unsigned conflicts = 0;  ///< Answers since the last good one that fitted no present state.

  // Requests of the remote.
  std::deque<wire::Request> queue;
  std::vector<wire::Request> serving;  ///< Handed to a serve job, in order.
  std::set<std::uint64_t> cancelled;   ///< Of those in `serving`.
};

}  // namespace holdfast::sync
