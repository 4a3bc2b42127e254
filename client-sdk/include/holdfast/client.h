#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/outcome.h"

namespace holdfast::sdk {

/// Where to ask, and whom to believe. Keys everywhere: 64 hex digits or 52 z-base-32 characters.
struct ClientOptions {
  std::vector<std::string> discovery;  ///< https://HOST[:PORT], asked in this order; may be empty.
  std::string ca_file;                 ///< PEM; empty: the system's certificate authorities.
  std::string pin_sha256;              ///< Trust only this certificate; 64 hex digits.
  std::string region;                  ///< Prefer nodes here.
  bool proven_only = false;            ///< Only nodes that have shown to know the project key.
  std::chrono::milliseconds timeout{10'000};  ///< Of each connection and each answer.
};

/// One node that serves a key now.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  std::string replicator;  ///< Hex id; the Noise key that must answer there.
  std::string region;
  std::chrono::seconds expires_in{0};
  bool proven = false;  ///< It knows the project key. Only lookup_project() can tell.
};

struct Progress {
  std::uint64_t length = 0;             ///< Blocks of the log, as its signature says.
  std::uint64_t contiguous_length = 0;  ///< Held from the start without a gap.
  std::uint64_t blocks_held = 0;
  std::optional<std::uint64_t> remote_length;  ///< Nothing while no node is connected.
  bool complete = false;                       ///< All that the connected node knows is here.
};

/// A core that is copied from the network into a directory while this lives, verified block by
/// block. What it counts as held survives a power cut; an interrupted copy goes on where it was.
/// Connections that break are made again, with back-off. Thread-safety: interrupt() from any
/// thread, the rest from one thread at a time.
class Copy {
 public:
  Copy(Copy&&) noexcept;
  Copy& operator=(Copy&&) noexcept;
  ~Copy();

  Progress progress();
  /// Returns when something more is held, interrupt() was called, or `at_most` has passed.
  void wait(std::chrono::milliseconds at_most);
  void interrupt();
  /// Fails with NotFound if the block is not here (yet).
  Outcome<std::vector<std::uint8_t>> read(std::uint64_t block);

  struct State;
  explicit Copy(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

/// The entry point. Thread-safety: one thread at a time.
class Client {
 public:
  /// Fails with Usage (URL, pin) or Unavailable (the CA file cannot be read).
  static Outcome<Client> open(ClientOptions const& options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  /// Where a project can be replicated, best first. Only the key's hash leaves this computer.
  Outcome<std::vector<Endpoint>> lookup_project(std::string const& project_key);
  /// The same for a discovery key; nothing can be proven then.
  Outcome<std::vector<Endpoint>> lookup(std::string const& discovery_key);

  /// Starts or continues a copy of a core. `peers`: [ID@]HOST:PORT of nodes to try before those that
  /// discovery names. The directory holds one core and is locked while the copy lives.
  Outcome<Copy> copy(std::string const& core_key, std::filesystem::path const& directory,
                     std::vector<std::string> const& peers = {});

  struct State;
  explicit Client(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::sdk
