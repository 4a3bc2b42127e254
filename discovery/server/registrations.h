#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/http/admission.h"
#include "discovery/http/replicator_routes.h"
#include "discovery/probe/health_keeper.h"
#include "discovery/probe/prober.h"
#include "discovery/registry/record_store.h"
#include "discovery/server/metrics.h"
#include "discovery/server/settings.h"

namespace holdfast::discovery {

/// Everything that decides over registrations, put together: admission, prober, health, receipts.
/// One thread makes, starts, reloads and stops it.
class Registrations {
 public:
  /// Reads lists and secrets. `store` and `metrics` must outlive this.
  /// Errors: Malformed, NotFound, Storage: one sentence for stderr.
  static Result<std::unique_ptr<Registrations>> make(Settings const& settings, RecordStore& store,
                                                     Metrics& metrics);
  ~Registrations();

  /// To be told of the store's changes, before start().
  std::vector<StoreWatcher*> watchers();
  RegistrationParts parts();
  /// `notify`: wakes requests that wait for an event.
  void start(std::function<void(std::string const& event)> notify);
  /// Reads token, allow and ban lists again; what is banned now leaves the store.
  /// Errors: as make(); the old lists stay.
  Result<void> reload();
  void stop();

  Admission& admission() { return *admission_; }
  LeaseCounts counts() const;

 private:
  Registrations(Settings const& settings, RecordStore& store)
      : settings_(settings), store_(store) {}
  Result<void> read_receipt_secret();
  void make_parts(Metrics& metrics, std::vector<IpNetwork> allow);

  Settings const settings_;
  RecordStore& store_;
  Hash receipt_secret_;
  std::function<void(std::string const&)> notify_;
  std::unique_ptr<Admission> admission_;
  std::unique_ptr<HealthKeeper> keeper_;  ///< None without self-tests.
  std::unique_ptr<Prober> prober_;
};

}  // namespace holdfast::discovery
