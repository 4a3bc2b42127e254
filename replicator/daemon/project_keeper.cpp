#include "replicator/daemon/project_keeper.h"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "replicator/dialects/derived_cores.h"

namespace holdfast::replicator {

ProjectKeeper::ProjectKeeper(Projects& projects, AssignedKeys& assigned, net::EngineHost& host,
                             std::function<void()> changed)
    : projects_(projects), assigned_(assigned), host_(host), changed_(std::move(changed)) {}

void ProjectKeeper::start() {
  for (CoreKey const& root : projects_.roots()) {
    host_.host(root, root);
    for (CoreKey const& member : projects_.members(root)) host_.host(member, root);
  }
}

Result<bool> ProjectKeeper::add_project(CoreKey const& root) {
  Result<bool> const added = projects_.add(root);
  if (!added || !*added) return added;
  host_.host(root, root);
  // It was assigned as well: now the service hears of it with a proof.
  if (Result<bool> const claimed = assigned_.remove(discovery_key_of(root)); !claimed)
    return claimed;
  changed_();
  return true;
}

Result<bool> ProjectKeeper::take_on(DiscoveryKey const& key, std::uint64_t now_unix_ms) {
  if (projects_.has(key)) return false;
  Result<bool> const added = assigned_.add(key, now_unix_ms);
  if (added && *added) changed_();
  return added;
}

Result<std::size_t> ProjectKeeper::give_back(std::uint64_t before_unix_ms) {
  Result<std::size_t> const expired = assigned_.expire(before_unix_ms);
  if (expired && *expired > 0) changed_();
  return expired;
}

std::vector<WantedKey> ProjectKeeper::wanted_keys() const {
  std::vector<WantedKey> out;
  for (auto const& [key, root] : projects_.by_discovery_key()) out.push_back({key, root});
  auto const projects = static_cast<std::ptrdiff_t>(out.size());
  for (DiscoveryKey const& key : assigned_.list()) out.push_back({key, std::nullopt});
  // One that became a project a moment ago may be in both: the project goes first and stays.
  std::inplace_merge(out.begin(), out.begin() + projects, out.end(),
                     [](WantedKey const& a, WantedKey const& b) { return a.key < b.key; });
  out.erase(std::unique(out.begin(), out.end(),
                        [](WantedKey const& a, WantedKey const& b) { return a.key == b.key; }),
            out.end());
  return out;
}

Result<bool> ProjectKeeper::remove_project(CoreKey const& root) {
  Result<bool> const removed = projects_.remove(root);
  if (!removed || !*removed) return removed;
  host_.unhost_project(root);
  changed_();
  return true;
}

void ProjectKeeper::on_event(sync::Event const& event) {
  if (auto const* const live = std::get_if<sync::ChannelLive>(&event)) {
    proven_[live->peer].insert(live->core);
    auto const waiting = waiting_.find(live->peer);
    if (waiting == waiting_.end()) return;
    std::vector<NamedCores> const messages = std::move(waiting->second);
    waiting_.erase(waiting);
    for (NamedCores const& named : messages) take_named(live->peer, named);
  } else if (auto const* const closed = std::get_if<sync::PeerClosed>(&event)) {
    proven_.erase(closed->peer);
    waiting_.erase(closed->peer);
    named_.erase(closed->peer);
  } else if (auto const* const known = std::get_if<sync::ManifestKnown>(&event)) {
    on_manifest(*known);
  } else if (auto const* const message = std::get_if<sync::ForeignMessage>(&event)) {
    if (message->protocol != kBlindPeerProtocol || message->type != kBlindPeerCoresType) return;
    Result<NamedCores> const named = decode_named_cores(message->body, kNamedPerMessageMax);
    if (named) {
      claim_assigned(message->peer, *named);
      take_named(message->peer, *named);
    } else {
      ++refused_;
    }
  }
}

void ProjectKeeper::claim_assigned(sync::PeerId peer, NamedCores const& named) {
  if (assigned_.size() == 0) return;
  std::set<CoreKey> candidates(named.cores.begin(), named.cores.end());
  if (named.referrer) candidates.insert(*named.referrer);
  for (CoreKey const& root : candidates) {
    if (!assigned_.has(discovery_key_of(root))) continue;
    tasks_.post([this, peer, root] { adopt(peer, root); });
  }
}

void ProjectKeeper::adopt(sync::PeerId peer, CoreKey const& root) {
  Result<bool> const added = add_project(root);
  if (!added) {
    spdlog::warn("assigned project {} was not taken: {}", discovery_key_of(root).hex(),
                 added.error().detail);
    return;
  }
  host_.with_engine(
      [peer, root](sync::Engine& engine, Instant now) { engine.open_core(root, peer, now); });
}

void ProjectKeeper::take_named(sync::PeerId peer, NamedCores const& named) {
  bool const is_ours = named.referrer && (projects_.has(*named.referrer) ||
                                          assigned_.has(discovery_key_of(*named.referrer)));
  if (!is_ours) {
    refused_ += named.cores.size();
    return;
  }
  if (!proven_[peer].contains(*named.referrer)) {
    std::vector<NamedCores>& waiting = waiting_[peer];
    if (waiting.size() < kWaitingMax) {
      waiting.push_back(named);
    } else {
      refused_ += named.cores.size();
    }
    return;
  }
  for (CoreKey const& core : named.cores) {
    if (++named_[peer] > kNamedPerPeerMax) {
      ++refused_;
      continue;
    }
    tasks_.post([this, root = *named.referrer, core] { add_member(root, core, /*named=*/true); });
  }
}

void ProjectKeeper::on_manifest(sync::ManifestKnown const& known) {
  tasks_.post([this, known] {
    for (CoreKey const& root : projects_.projects_of(known.core)) add_cores_of(root, known);
  });
}

void ProjectKeeper::add_cores_of(CoreKey const& root, sync::ManifestKnown const& known) {
  // Only the root core of a project can be a drive's database: deriving from every core would double them for ever.
  if (known.core == root) {
    if (std::optional<CoreKey> const blobs = hyperdrive_blobs_key(known.core, known.manifest)) {
      add_member(root, *blobs, /*named=*/false);
    }
  }
  for (CoreKey const& linked : linked_cores(known.manifest)) {
    add_member(root, linked, /*named=*/false);
  }
}

void ProjectKeeper::add_member(CoreKey const& root, CoreKey const& member, bool named) {
  Result<bool> const added = projects_.add_member(root, member);
  if (!added) {
    if (named) ++refused_;
    spdlog::warn("a core of project {} was not taken: {}", discovery_key_of(root).hex(),
                 added.error().detail);
    return;
  }
  if (!*added) return;
  if (named) ++taken_;
  host_.host(member, root);
}

}  // namespace holdfast::replicator
