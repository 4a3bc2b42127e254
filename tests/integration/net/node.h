#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "net/engine_host.h"
#include "store/memory_store.h"
#include "support/test_core.h"

namespace holdfast::testing {

constexpr std::chrono::seconds kPatience{20};

/// All of a test core as one commit.
inline core::Commit commit_of(TestCore const& from) {
  core::Commit commit{.core = from.key(), .manifest = from.manifest(), .head = from.view().head()};
  for (auto const& [index, node] : from.view().nodes) commit.nodes.push_back(node);
  for (auto const& [index, value] : from.view().blocks) commit.blocks.push_back({index, value});
  return commit;
}

/// A store with an engine host over it.
struct Node {
  explicit Node(net::EngineHostOptions const& options = {}, Byte seed = 1)
      : pair(KeyPair::from_seed({.bytes = {seed}})),
        host(std::make_unique<net::EngineHost>(options, store, pair)) {}

  net::Address listen() { return *host->listen({"127.0.0.1", 0}); }
  void host_core(CoreKey const& key) { host->host(key, key); }
  bool wait_for(CoreKey const& key, std::uint64_t contiguous) {
    auto const until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      std::optional<sync::CoreStatus> const status = host->status(key);
      if (status && status->contiguous_length >= contiguous) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return false;
  }

  store::MemoryStore store;
  KeyPair pair;
  std::unique_ptr<net::EngineHost> host;
};

}  // namespace holdfast::testing
