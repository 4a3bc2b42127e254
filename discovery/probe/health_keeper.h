#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/random.h"
#include "base/time.h"
#include "discovery/probe/probe_target.h"
#include "discovery/probe/recheck_plan.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Tests of what is being registered, as the handlers of the API see them.
class SelfTests {
 public:
  virtual ~SelfTests() = default;
  /// Tests a record that was just stored, or joins the test of it that runs. When it is over, the health in the store
  /// is set and whoever waits for event_of(id) is woken.
  virtual void begin(ReplicatorEntry const& entry) = 0;
  virtual bool is_running(PublicKey const& id) const = 0;

  static std::string event_of(PublicKey const& id) { return "self-test:" + id.hex(); }
};

struct HealthKeeperOptions {
  std::string instance;  ///< This instance's name among those on one store; unique.
  Duration heartbeat{10'000};
  /// Whether it registered with an operator's token. Called from any thread; must not call the store.
  std::function<bool(PublicKey const&)> may_name_others = [](PublicKey const&) { return false; };
  /// Called on the keeper's thread.
  std::function<void(std::string const& event)> notify = [](std::string const&) {};
  /// Of every test, for counting.
  std::function<void(ProbeStep)> on_result = [](ProbeStep) {};
};

/// Keeps the health of every replicator in the store true: runs the tests of new records, tests the others again as
/// RecheckPlan says, writes what comes of it, tells the store that this instance lives, and sets the guard.
///
/// One thread of its own, which is the only one that calls the store. Thread-safety: all public methods from any thread.
class HealthKeeper final : public SelfTests, public StoreWatcher {
 public:
  /// `store` and `tester` must outlive this, except that `tester` may go after stop().
  HealthKeeper(RecordStore& store, SelfTester& tester, HealthKeeperOptions options);
  ~HealthKeeper() override;

  void start();
  void stop();

  void begin(ReplicatorEntry const& entry) override;
  bool is_running(PublicKey const& id) const override;
  LeaseCounts counts() const;

  void on_lost() override {}
  void on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                bool recovering) override;
  void on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) override;
  void on_renewed(PublicKey const& id, registration::ReplicatorState state,
                  registration::LoadFigures const& load, Duration lease_left,
                  std::uint64_t now_unix_ms) override;
  void on_gone(PublicKey const& id) override;
  void on_hosting(DiscoveryKey const&) override {}
  void on_assignment(PublicKey const&) override {}
  void on_shared(SharedKind kind) override;

 private:
  struct Outcome {
    PublicKey id;
    Hash record;
    ProbeReport report;
  };

  void run();
  void test(RecheckPlan::Target target) HOLDFAST_EXCLUDES(mutex_);
  void take_results() HOLDFAST_EXCLUDES(mutex_);
  void beat() HOLDFAST_EXCLUDES(mutex_);
  void watch_leases() HOLDFAST_EXCLUDES(mutex_);
  void wait() HOLDFAST_EXCLUDES(mutex_);

  RecordStore& store_;
  SelfTester& tester_;
  HealthKeeperOptions const options_;
  Duration const lease_;

  mutable Mutex mutex_;
  CondVar changed_;
  RecheckPlan plan_ HOLDFAST_GUARDED_BY(mutex_);
  SeededRng rng_ HOLDFAST_GUARDED_BY(mutex_);
  std::map<PublicKey, Hash> running_
      HOLDFAST_GUARDED_BY(mutex_);  ///< The record each is tested for.
  std::deque<Outcome> results_ HOLDFAST_GUARDED_BY(mutex_);
  bool instances_changed_ HOLDFAST_GUARDED_BY(mutex_) = true;
  bool stopping_ HOLDFAST_GUARDED_BY(mutex_) = false;

  // Only on the thread:
  Instant next_beat_{};
  Instant next_lease_watch_{};
  bool guard_on_ = false;
  std::thread thread_;
};

}  // namespace holdfast::discovery
