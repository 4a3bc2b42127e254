#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "core/store.h"
#include "crypto/keys.h"
#include "net/address.h"
#include "sync/engine.h"

namespace holdfast::net {

struct EngineHostOptions {
  sync::Options sync;
  std::size_t workers = 2;  ///< Threads that read the store, prove and verify.
  std::size_t connections_max = 1'024;
  std::size_t connections_per_address_max = 64;  ///< Accepted ones; dialled ones are our own wish.
  Duration dial_timeout{10'000};                 ///< For the name and each of its addresses.
};

/// Numbers a dial and its connection. Never used twice by one host.
using DialId = StrongId<struct DialIdTag>;

/// One connection, as events tell of it.
struct ConnectionInfo {
  sync::PeerId peer;
  Address remote;
  std::optional<DialId> dial;           ///< Nothing: accepted.
  std::optional<PublicKey> remote_key;  ///< From HandshakeDone on.
};

/// How a dialled connection ended, or why there was none.
struct DialEnd {
  Error reason;
  bool handshake_done = false;
  Duration lived{0};  ///< Since the handshake; zero without one.
};

struct DialOptions {
  /// The Noise key the other side must have; anything else is hung up on before a byte about
  /// cores is sent.
  std::optional<PublicKey> expected_key;
  sync::PeerOptions peer;
};

struct HostStats {
  sync::Counters sync;
  std::size_t connections = 0;
  std::size_t jobs_in_flight = 0;
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  ///< Over a limit of connections.
  std::uint64_t dialled = 0;
  std::uint64_t dials_failed = 0;
  std::uint64_t wire_bytes_received = 0;
  std::uint64_t wire_bytes_sent = 0;
};

/// The shell around sync::Engine: sockets, threads and a store, with every decision in the engine.
///
/// Rules:
///  1. One thread owns the engine and the sockets; the store is read and written by workers.
///  2. A socket is read only while the engine wants input, so that a full disk or a slow one
///     presses back on the sender through TCP.
///  3. Nothing runs while nothing happens: no polling, one timer for the engine's next deadline.
///  4. Callbacks come on the host's thread, must not block, and may call any method of the host
///     except drain(), stop() and the destructor.
/// Thread-safety: every method from any thread.
/// Memory: bounded by EngineHostOptions and sync::Options.
class EngineHost {
 public:
  /// `connection`: of the wire peer the event is about; null if it is about none, or none is left.
  using Subscriber = std::function<void(sync::Event const&, ConnectionInfo const* connection)>;

  /// `store` outlives the host. `static_pair`: what this node is known by.
  EngineHost(EngineHostOptions const& options, core::Store& store, KeyPair const& static_pair);
  /// As stop().
  ~EngineHost();
  EngineHost(EngineHost const&) = delete;
  EngineHost& operator=(EngineHost const&) = delete;

  /// Accepts connections. May be called for several addresses.
  /// Returns: the address with the real port. Errors: Unavailable (port taken, no such host).
  Result<Address> listen(Address const& address);

  /// A number for dial(), so that its owner knows it before the first event.
  DialId new_dial_id();
  /// Dials once; whoever wants to come back dials again from `closed`, which is called exactly
  /// once (before dial() returns if the host has stopped).
  void dial(DialId id, Address const& target, DialOptions const& options,
            std::function<void(DialEnd const&)> closed);
  /// Ends a dial or its connection; `closed` follows. Unknown ids are ignored.
  void hang_up(DialId id);

  void host(CoreKey const& core, CoreKey const& project);
  void unhost_project(CoreKey const& project);

  /// For every event from now on, until the host stops.
  void subscribe(Subscriber subscriber);

  std::optional<sync::CoreStatus> status(CoreKey const& core);
  HostStats stats();

  /// Runs `work` on the host's thread with the engine; what it causes is done afterwards.
  void with_engine(std::function<void(sync::Engine&, Instant now)> work);

  /// Stops accepting and reading, finishes what was begun, flushes it and stops; waits at most
  /// `at_most`.
  void drain(Duration at_most);
  /// Closes everything at once and ends the threads. Repeatable.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::net
