// Which cores are hosted, and which of them are open.

#include <algorithm>
#include <memory>
#include <utility>

#include "sync/engine_state.h"

namespace holdfast::sync {

void Engine::host(CoreKey const& core, CoreKey const& project, Instant now) {
  State& s = *state_;
  s.by_discovery_key.emplace(discovery_key_of(core), core);
  s.cores[core].projects.insert(project);
  if (!s.projects[project].insert(core).second) return;
  for (auto& [id, session] : s.peers) {
    bool const root_for_dialled = core == project && session.options.open_all;
    if (!session.mux || !(session.proven.contains(project) || root_for_dialled)) continue;
    s.open_towards(session, core);
    s.dirty_peers.insert(id);
  }
  s.settle(now);
}

void Engine::unhost_project(CoreKey const& project, Instant now) {
  State& s = *state_;
  auto const found = s.projects.find(project);
  if (found == s.projects.end()) return;
  for (CoreKey const& key : found->second) {
    State::CoreEntry& entry = s.cores.at(key);
    entry.projects.erase(project);
    if (!entry.projects.empty()) continue;
    s.by_discovery_key.erase(discovery_key_of(key));
    s.close_core(key, entry, now);
    if (!entry.sync && !entry.loading) s.cores.erase(key);
  }
  s.projects.erase(found);
  s.settle(now);
}

void Engine::open_core(CoreKey const& core, PeerId peer, Instant now) {
  PeerSession* const session = state_->peer(peer);
  if (session == nullptr || !session->mux || !hosts(core)) return;
  state_->open_towards(*session, core);
  state_->settle(now);
}

bool Engine::hosts(CoreKey const& core) const {
  auto const found = state_->cores.find(core);
  return found != state_->cores.end() && !found->second.projects.empty();
}

Engine::State::CoreEntry* Engine::State::core(CoreKey const& key) {
  auto const found = cores.find(key);
  return found == cores.end() ? nullptr : &found->second;
}

/// Closes every channel of a core; its memory goes as soon as no job runs on it.
void Engine::State::close_core(CoreKey const& key, CoreEntry& entry, Instant now) {
  if (!entry.sync) return;
  for (auto& [id, session] : peers) {
    auto const channel = session.channel_of.find(key);
    if (channel == session.channel_of.end()) continue;
    session.mux->close(channel->second);
    session.unbind(channel->second);
    entry.sync->close_channel(id, now);
    dirty_peers.insert(id);
  }
  entry.idle_since = now - options.idle_timeout;
}

/// Whether any wire peer has a channel for this core, live or opening.
bool Engine::State::has_channel(CoreKey const& key) const {
  return std::any_of(peers.begin(), peers.end(),
                     [&key](auto const& entry) { return entry.second.channel_of.contains(key); });
}

void Engine::State::load(CoreKey const& key, CoreEntry& entry) {
  if (entry.loading) return;
  entry.loading = true;
  effects.emplace_back(LoadCore{key});
}

void Engine::on_core_loaded(CoreKey const& key, Result<std::optional<core::CoreRecord>> record,
                            Instant now) {
  State& s = *state_;
  State::CoreEntry* const entry = s.core(key);
  if (entry == nullptr || !entry->loading) return;
  entry->loading = false;
  if (record && !entry->projects.empty()) {
    core::CoreRecord const loaded =
        *record ? std::move(**record) : core::CoreRecord{key, {}, {}, {}};
    entry->sync = std::make_unique<CoreSync>(key, loaded, s.options, s.counters);
    entry->idle_since = now;
    s.open_cores.insert(key);
    if (entry->sync->has_manifest())
      s.events.emplace_back(ManifestKnown{key, entry->sync->manifest()});
  }
  bool const open_failed = !entry->sync;
  for (auto& [id, session] : s.peers) {
    auto waiting = session.waiting.extract(key);
    if (waiting.empty()) continue;
    s.dirty_peers.insert(id);
    std::optional<wire::RemoteOpen> const& open = waiting.mapped();
    if (open_failed) {
      if (open) session.mux->reject(*open);
    } else if (open) {
      s.accept(session, key, *open, now);
      // What the remote said right behind its Open was kept until now.
      Result<void> const handled = s.take_mux_events(session, now);
      if (!handled) s.fail(id, handled.error());
      s.update_dirty(session, now);
    } else {
      s.open_towards(session, key);
    }
  }
  if (open_failed && entry->projects.empty()) s.cores.erase(key);
  s.settle(now);
}

}  // namespace holdfast::sync
