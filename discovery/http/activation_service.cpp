#include "discovery/http/activation_service.h"

#include <algorithm>
#include <utility>

#include "discovery/probe/steady_clock.h"

namespace holdfast::discovery {

ActivationService::ActivationService(RecordStore& store, Candidates candidates,
                                     ActivationOptions const& options)
    : store_(store),
      candidates_(std::move(candidates)),
      claim_life_(options.give_up_after),
      table_(options) {}

void ActivationService::start() {
  thread_ = std::thread([this] { run(); });
}

void ActivationService::stop() {
  {
    MutexLock const lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

ActivationTable::Begun ActivationService::begin(DiscoveryKey const& key, RegionWish region) {
  MutexLock const lock(mutex_);
  ActivationTable::Begun const begun = table_.begin(key, std::move(region), steady_now());
  if (begun == ActivationTable::Begun::Started) changed_.notify_all();
  return begun;
}

bool ActivationService::is_running(DiscoveryKey const& key) const {
  MutexLock const lock(mutex_);
  return table_.is_running(key);
}

void ActivationService::on_hosting(DiscoveryKey const& key) {
  MutexLock const lock(mutex_);
  if (!table_.is_running(key)) return;
  to_check_.insert(key);
  changed_.notify_all();
}

ActivationCounters ActivationService::counters() const {
  MutexLock const lock(mutex_);
  return table_.counters();
}

void ActivationService::run() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (!to_check_.empty()) {
      DiscoveryKey const key = *to_check_.begin();
      to_check_.erase(to_check_.begin());
      lock.unlock();
      check_hosted(key);
      lock.lock();
      continue;
    }
    if (std::optional<ActivationTable::Step> const step = table_.next_step(steady_now()); step) {
      lock.unlock();
      work(*step);
      lock.lock();
      continue;
    }
    std::optional<Instant> const deadline = table_.next_deadline();
    if (deadline) {
      changed_.wait_for(mutex_, std::max(*deadline - steady_now(), Duration(1)));
    } else {
      changed_.wait(mutex_);
    }
  }
}

void ActivationService::work(ActivationTable::Step const& step) {
  std::shared_ptr<std::vector<Candidate> const> candidates = candidates_(Freshness::Recent);
  PlacementQuery query;
  query.key = step.key;
  query.region = step.region;
  query.replicas = 1;
  query.excluded.assign(step.tried.begin(), step.tried.end());
  std::vector<std::size_t> chosen = place(query, *candidates).chosen;
  if (chosen.empty()) {
    // Somebody may have come this very moment.
    candidates = candidates_(Freshness::Now);
    chosen = place(query, *candidates).chosen;
  }
  if (chosen.empty()) {
    MutexLock const lock(mutex_);
    table_.on_nobody_left(step.key, steady_now());
    return;
  }
  PublicKey const id = (*candidates)[chosen.front()].id;
  Result<Claim> const claim = store_.claim(step.key, id, step.instead_of, claim_life_);
  bool is_done = claim.ok();
  if (claim && claim->is_mine) is_done = store_.assign(id, step.key, claim_life_).ok();
  MutexLock const lock(mutex_);
  if (is_done) {
    table_.on_claimed(step.key, claim->id, steady_now());
  } else {
    table_.on_store_failed(step.key, steady_now());
  }
}

void ActivationService::check_hosted(DiscoveryKey const& key) {
  Result<HostingSet> const set = store_.hosting_of(key);
  if (!set || set->lines.empty()) return;
  MutexLock const lock(mutex_);
  table_.on_hosted(key);
}

}  // namespace holdfast::discovery
