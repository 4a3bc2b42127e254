#include "replicator/daemon/project_keeper.h"

#include <spdlog/spdlog.h>

#include "replicator/dialects/derived_cores.h"

namespace holdfast::replicator {

ProjectKeeper::ProjectKeeper(Projects& projects, net::EngineHost& host,
                             std::function<void()> changed)
    : projects_(projects), host_(host), changed_(std::move(changed)) {}

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
  changed_();
  return true;
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
      take_named(message->peer, *named);
    } else {
      ++refused_;
    }
  }
}

void ProjectKeeper::take_named(sync::PeerId peer, NamedCores const& named) {
  if (!named.referrer || !projects_.has(*named.referrer)) {
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
