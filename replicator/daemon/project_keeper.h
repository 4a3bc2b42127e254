#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "net/engine_host.h"
#include "replicator/daemon/assigned_keys.h"
#include "replicator/daemon/key_listing.h"
#include "replicator/daemon/projects.h"
#include "replicator/daemon/task_thread.h"
#include "replicator/dialects/blind_peer.h"

namespace holdfast::replicator {

/// Learns which further cores belong to the hosted projects and has them replicated.
///
/// Sources: Hyperdrive (the blobs core follows from the database core's manifest), manifest.linked, and the
/// `blind-peer` cores message of clients.
/// Rules:
///  1. A cores message counts only under a referrer that is hosted here and that this wire peer has proven on this
///     connection; until it has, the message waits, at most kWaitingMax of them per wire peer.
///     Why: otherwise anybody could fill the disk.
///  2. A wire peer may name at most kNamedPerPeerMax cores.
///  3. A volunteer takes a project when a client names a core whose discovery key it was assigned. Whoever names a
///     core knows its key: the core is opened towards that wire peer.
/// Thread-safety: on_event() on the engine host's thread, the rest from any.
class ProjectKeeper {
 public:
  static constexpr std::size_t kNamedPerMessageMax = 1'024;
  static constexpr std::size_t kNamedPerPeerMax = 4'096;
  static constexpr std::size_t kWaitingMax = 8;

  /// `changed` is called after the set of projects changed, on any thread.
  ProjectKeeper(Projects& projects, AssignedKeys& assigned, net::EngineHost& host,
                std::function<void()> changed);

  /// Hosts everything that is known from earlier runs.
  void start();
  /// Keeps what it has learnt, and learns no more. Call before the host goes.
  void stop() { tasks_.stop(); }

  /// Returns: whether it was new. Errors: Storage.
  Result<bool> add_project(CoreKey const& root);
  /// Takes on a registry key until a client brings its core key. Returns: whether it was new.
  /// Errors: LimitExceeded, Storage.
  Result<bool> take_on(DiscoveryKey const& key, std::uint64_t now_unix_ms);
  /// Gives back what was taken on before then and nobody brought a key for. Returns: how many. Errors: Storage.
  Result<std::size_t> give_back(std::uint64_t before_unix_ms);
  /// Projects and assigned keys together; cheap to ask for. One that becomes a project this moment may count twice.
  std::size_t hosted_count() const { return projects_.size() + assigned_.size(); }
  /// What a service is to list for this node, sorted by key.
  std::vector<WantedKey> wanted_keys() const;
  /// What is stored stays on disk. Returns: whether it was there. Errors: Storage.
  Result<bool> remove_project(CoreKey const& root);

  void on_event(sync::Event const& event);

  std::uint64_t named_cores_taken() const { return taken_; }
  std::uint64_t named_cores_refused() const { return refused_; }

 private:
  void take_named(sync::PeerId peer, NamedCores const& named);
  /// Rule 3.
  void claim_assigned(sync::PeerId peer, NamedCores const& named);
  void adopt(sync::PeerId peer, CoreKey const& root);
  void on_manifest(sync::ManifestKnown const& known);
  void add_cores_of(CoreKey const& root, sync::ManifestKnown const& known);
  void add_member(CoreKey const& root, CoreKey const& member, bool named);

  Projects& projects_;
  AssignedKeys& assigned_;
  net::EngineHost& host_;
  std::function<void()> changed_;
  // Only on the host's thread:
  std::map<sync::PeerId, std::set<CoreKey>> proven_;
  std::map<sync::PeerId, std::vector<NamedCores>> waiting_;
  std::map<sync::PeerId, std::size_t> named_;
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<std::uint64_t> refused_{0};
  TaskThread tasks_;
};

}  // namespace holdfast::replicator
