// Jobs out and in, frames into the transports.

#include <utility>

#include "base/check.h"
#include "sync/engine_state.h"

namespace holdfast::sync {

namespace {

/// Time-outs are looked at this often; nothing depends on them being met more exactly.
constexpr Duration kTick{500};

}  // namespace

/// Sends what the cores want to say, starts jobs, moves frames into the transports.
void Engine::State::settle(Instant now) {
  while (!doomed.empty() || !dirty_cores.empty() || !dirty_peers.empty()) {
    for (PeerId const id : std::exchange(doomed, {})) drop(id, now);
    for (CoreKey const& key : std::exchange(dirty_cores, {})) {
      CoreEntry* const entry = core(key);
      if (entry != nullptr && entry->sync) route(key, *entry);
    }
    for (PeerId const id : std::exchange(dirty_peers, {})) {
      if (PeerSession* const session = peer(id)) send(*session, now);
    }
  }
  if (!next_tick && !(peers.empty() && open_cores.empty())) next_tick = now + kTick;
}

void Engine::State::send(PeerSession& session, Instant now) {
  pump_serve(session);
  if (session.flush(now)) touched.insert(session.id);
  if (session.transport.output_bytes() > options.stalled_output_bytes_max) {
    fail(session.id, {ErrorCode::LimitExceeded, "wire peer does not read"});
  }
}

void Engine::State::route(CoreKey const& key, CoreEntry& entry) {
  for (Outgoing const& outgoing : entry.sync->take_outgoing()) {
    PeerSession* const session = peer(outgoing.peer);
    if (session == nullptr) continue;
    auto const channel = session->channel_of.find(key);
    if (channel == session->channel_of.end()) continue;
    session->mux->send(channel->second, outgoing.type, outgoing.body);
    dirty_peers.insert(outgoing.peer);
  }
  if (std::vector<merkle::Proof> proofs = entry.sync->take_ingest(); !proofs.empty()) {
    JobId const id(++last_job);
    jobs.emplace(id, RunningJob{key, std::nullopt});
    effects.emplace_back(IngestJob{.id = id, .core = key, .proofs = std::move(proofs)});
  }
  ingest_total = ingest_total - entry.ingest_bytes + entry.sync->ingest_bytes();
  entry.ingest_bytes = entry.sync->ingest_bytes();
}

/// Starts serve jobs, one core after the other, while there is room for their answers.
void Engine::State::pump_serve(PeerSession& session) {
  while (!session.serve_ready.empty() && session.serve_jobs < options.serve_jobs_per_peer_max &&
         session.transport.output_bytes() < options.output_bytes_per_peer_max) {
    auto next = session.serve_ready.upper_bound(session.serve_last);
    if (next == session.serve_ready.end()) next = session.serve_ready.begin();
    CoreKey const key = *next;
    session.serve_ready.erase(next);
    session.serve_last = key;
    CoreEntry* const entry = core(key);
    if (entry == nullptr || !entry->sync) continue;
    std::vector<wire::Request> requests = entry->sync->take_serve(session.id);
    if (requests.empty()) continue;
    JobId const id(++last_job);
    jobs.emplace(id, RunningJob{key, session.id});
    ++session.serve_jobs;
    effects.emplace_back(
        ServeJob{.id = id,
                 .core = key,
                 .peer = session.id,
                 .requests = std::move(requests),
                 .bytes_max = options.output_bytes_per_peer_max / options.serve_jobs_per_peer_max});
  }
}

void Engine::on_served(ServeResult result, Instant now) {
  State& s = *state_;
  auto const job = s.jobs.extract(result.id);
  HOLDFAST_CHECK(!job.empty() && job.mapped().peer.has_value());
  PeerId const id = *job.mapped().peer;
  CoreKey const key = job.mapped().core;
  PeerSession* const session = s.peer(id);
  if (session != nullptr) {
    --session->serve_jobs;
    s.dirty_peers.insert(id);
  }
  State::CoreEntry* const entry = s.core(key);
  if (session != nullptr && entry != nullptr && entry->sync) {
    entry->sync->on_served(id, std::move(result.answers));
    if (entry->sync->wants_to_serve(id)) session->serve_ready.insert(key);
    s.dirty_cores.insert(key);
  }
  s.settle(now);
}

void Engine::on_ingested(IngestResult const& result, Result<void> const& durable, Instant now) {
  State& s = *state_;
  auto const job = s.jobs.extract(result.id);
  HOLDFAST_CHECK(!job.empty());
  CoreKey const key = job.mapped().core;
  State::CoreEntry* const entry = s.core(key);
  HOLDFAST_CHECK(entry != nullptr && entry->sync);
  std::uint64_t const bytes_before = s.counters.bytes_received;
  if (entry->sync->on_ingested(result, durable, now)) {
    s.note_progress(key, *entry, result, s.counters.bytes_received - bytes_before);
  }
  s.dirty_cores.insert(key);
  s.settle(now);
}

void Engine::State::note_progress(CoreKey const& key, CoreEntry const& entry,
                                  IngestResult const& result, std::uint64_t bytes) {
  if (result.manifest) events.emplace_back(ManifestKnown{key, *result.manifest});
  events.emplace_back(CoreProgress{.core = key,
                                   .fork = entry.sync->fork(),
                                   .length = entry.sync->length(),
                                   .contiguous_length = entry.sync->held().contiguous(),
                                   .blocks_added = result.blocks.size(),
                                   .bytes_added = bytes});
}

}  // namespace holdfast::sync
