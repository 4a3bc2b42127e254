#include "discovery/probe/health_keeper.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/keys.h"
#include "discovery/probe/steady_clock.h"

namespace holdfast::discovery {

namespace {

constexpr std::size_t kTestsAtOnceMax = 64;
constexpr Duration kWaitMax{1'000};
constexpr Duration kLeaseWatchMin{100};
constexpr char kGuardName[] = "expiry";

std::uint64_t random_seed() {
  Seed seed;
  random_bytes(seed.bytes);
  return std::hash<Seed>{}(seed);
}

}  // namespace

HealthKeeper::HealthKeeper(RecordStore& store, SelfTester& tester, HealthKeeperOptions options)
    : store_(store),
      tester_(tester),
      options_(std::move(options)),
      lease_(store.options().lease),
      plan_(lease_, options_.instance),
      rng_(random_seed()) {}

HealthKeeper::~HealthKeeper() { stop(); }

void HealthKeeper::start() {
  thread_ = std::thread([this] { run(); });
}

void HealthKeeper::stop() {
  {
    MutexLock const lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void HealthKeeper::begin(ReplicatorEntry const& entry) {
  std::optional<RecheckPlan::Target> target;
  {
    MutexLock const lock(mutex_);
    Instant const now = steady_now();
    plan_.know(entry, options_.may_name_others(entry.id), now, rng_);
    target = plan_.target(entry.id, now);
    auto const running = running_.find(entry.id);
    bool const joins = target && running != running_.end() && running->second == target->record;
    if (!target || joins) return;
  }
  test(*std::move(target));
}

bool HealthKeeper::is_running(PublicKey const& id) const {
  MutexLock const lock(mutex_);
  return running_.contains(id);
}

LeaseCounts HealthKeeper::counts() const {
  MutexLock const lock(mutex_);
  return plan_.counts(steady_now());
}

void HealthKeeper::test(RecheckPlan::Target target) {
  PublicKey const id = target.probe.id;
  Hash const record = target.record;
  {
    MutexLock const lock(mutex_);
    running_[id] = record;
  }
  tester_.probe(std::move(target.probe), [this, id, record](ProbeReport report) {
    MutexLock const lock(mutex_);
    results_.push_back({id, record, std::move(report)});
    changed_.notify_all();
  });
}

void HealthKeeper::take_results() {
  std::deque<Outcome> results;
  {
    MutexLock const lock(mutex_);
    results.swap(results_);
  }
  if (results.empty()) return;
  holdfast::Result<std::uint64_t> const now_unix_ms = store_.now_unix_ms();
  for (Outcome const& result : results) {
    options_.on_result(result.report.step);
    std::optional<Health> health;
    if (now_unix_ms) {
      MutexLock const lock(mutex_);
      health =
          plan_.judge(result.id, result.record, result.report, *now_unix_ms, steady_now(), rng_);
    }
    // A store that is away now, or a node that left, is met again at the next test.
    if (health) static_cast<void>(store_.set_health(result.id, *health).ok());
    {
      MutexLock const lock(mutex_);
      auto const running = running_.find(result.id);
      if (running != running_.end() && running->second == result.record) running_.erase(running);
    }
    options_.notify(event_of(result.id));
  }
}

void HealthKeeper::beat() {
  Instant const now = steady_now();
  bool changed = false;
  {
    MutexLock const lock(mutex_);
    changed = std::exchange(instances_changed_, false);
  }
  if (now >= next_beat_) {
    next_beat_ = now + options_.heartbeat;
    static_cast<void>(store_
                          .put_shared(SharedKind::Instance, options_.instance, "",
                                      options_.heartbeat * 3, /*only_if_absent=*/false)
                          .ok());
    changed = true;
  }
  if (!changed) return;
  holdfast::Result<std::vector<Shared>> const alive = store_.list_shared(SharedKind::Instance);
  if (!alive) return;
  std::vector<std::string> names;
  for (Shared const& each : *alive) names.push_back(each.name);
  if (std::find(names.begin(), names.end(), options_.instance) == names.end())
    names.push_back(options_.instance);
  MutexLock const lock(mutex_);
  plan_.set_instances(std::move(names));
}

void HealthKeeper::watch_leases() {
  Instant const now = steady_now();
  if (now < next_lease_watch_) return;
  next_lease_watch_ = now + std::max(kLeaseWatchMin, lease_ / 20);
  bool wanted = false;
  {
    MutexLock const lock(mutex_);
    wanted = plan_.wants_guard(now, rng_);
  }
  if (wanted) {
    // Renewed while it is wanted; it ends by itself when no instance wants it any more.
    static_cast<void>(
        store_.put_shared(SharedKind::Guard, kGuardName, "on", lease_, /*only_if_absent=*/false)
            .ok());
  } else if (guard_on_) {
    static_cast<void>(store_.take_shared(SharedKind::Guard, kGuardName).ok());
  }
  guard_on_ = wanted;
}

void HealthKeeper::wait() {
  MutexLock const lock(mutex_);
  if (stopping_ || !results_.empty()) return;
  Duration left = std::clamp(next_lease_watch_ - steady_now(), Duration(10), kWaitMax);
  if (std::optional<Instant> const due = plan_.next_due(); due)
    left = std::clamp(*due - steady_now(), Duration(10), left);
  changed_.wait_for(mutex_, left);
}

void HealthKeeper::run() {
  while (true) {
    take_results();
    beat();
    watch_leases();
    std::vector<RecheckPlan::Target> due;
    {
      MutexLock const lock(mutex_);
      if (stopping_) return;
      std::size_t const room = kTestsAtOnceMax - std::min(kTestsAtOnceMax, running_.size());
      for (RecheckPlan::Target& target : plan_.due(steady_now(), room, rng_)) {
        if (!running_.contains(target.probe.id)) due.push_back(std::move(target));
      }
    }
    for (RecheckPlan::Target& target : due) test(std::move(target));
    wait();
  }
}

void HealthKeeper::on_table(std::vector<ReplicatorEntry> all, std::uint64_t /*now_unix_ms*/,
                            bool /*recovering*/) {
  MutexLock const lock(mutex_);
  Instant const now = steady_now();
  plan_.clear(all.size());
  for (ReplicatorEntry const& entry : all)
    plan_.know(entry, options_.may_name_others(entry.id), now, rng_);
  instances_changed_ = true;
}

void HealthKeeper::on_replicator(ReplicatorEntry const& entry, std::uint64_t /*now_unix_ms*/) {
  MutexLock const lock(mutex_);
  plan_.know(entry, options_.may_name_others(entry.id), steady_now(), rng_);
}

void HealthKeeper::on_renewed(PublicKey const& id, registration::ReplicatorState state,
                              registration::LoadFigures const& /*load*/, Duration lease_left,
                              std::uint64_t /*now_unix_ms*/) {
  MutexLock const lock(mutex_);
  plan_.renewed(id, state, lease_left, steady_now());
}

void HealthKeeper::on_gone(PublicKey const& id) {
  MutexLock const lock(mutex_);
  plan_.forget(id);
}

void HealthKeeper::on_shared(SharedKind kind) {
  if (kind != SharedKind::Instance) return;
  MutexLock const lock(mutex_);
  instances_changed_ = true;
}

}  // namespace holdfast::discovery
