#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/backoff.h"
#include "net/discovery_client.h"
#include "net/engine_host.h"

namespace holdfast::net {

/// A wire peer that was named by hand, [ID@]HOST:PORT.
struct NamedPeer {
  Address address;
  std::optional<PublicKey> key;  ///< Must answer there; nothing: anybody may.
};
/// Reads "HOST:PORT" or "<64 hex or 52 z-base-32>@HOST:PORT". Errors: Malformed.
Result<NamedPeer> parse_named_peer(std::string_view text);

struct FollowOptions {
  CoreKey project;
  std::vector<NamedPeer> peers = {};  ///< Tried before what discovery names.
  std::optional<DiscoveryClientOptions> discovery = std::nullopt;  ///< Nothing: only `peers`.
  bool proven_only = false;
  BackoffOptions backoff = {};
  Duration live_within{10'000};  ///< From the handshake to a live channel; then the next endpoint.
};

/// What a follower is doing, for people. Called on a thread of the follower's or the host's.
enum class FollowStep : std::uint8_t { LookingUp, Dialling, Connected, Lost, Waiting, Failed };
using FollowListener = std::function<void(FollowStep step, std::string const& detail)>;

/// Keeps one connection to some node that hosts a project: finds endpoints, tries them in order,
/// comes back with back-off when it ends. The project must be hosted by the EngineHost.
///
/// Rules:
///  1. Endpoints are tried in order; when all failed, discovery is asked again after a back-off.
///  2. A key that discovery named must answer there: the Noise key is compared.
///  3. A node that does not open the project's channel within `live_within` counts as failed.
///     Why: a registration may be older than what the node hosts now.
/// Thread-safety: construct and destroy on one thread. Costs one thread that sleeps.
class Follower {
 public:
  /// `host` outlives the follower. Errors: Malformed (nothing to dial and nobody to ask), those of
  /// DiscoveryClient::open.
  static Result<std::unique_ptr<Follower>> start(EngineHost& host, FollowOptions options,
                                                 FollowListener listener);
  /// Hangs up and waits for its thread.
  ~Follower();
  Follower(Follower const&) = delete;
  Follower& operator=(Follower const&) = delete;

 private:
  struct State;
  explicit Follower(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace holdfast::net
