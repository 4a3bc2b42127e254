#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "discovery/geo/geo_places.h"
#include "discovery/http/lookup_service.h"
#include "discovery/http/observer.h"
#include "discovery/probe/probe_target.h"
#include "discovery/probe/recheck_plan.h"
#include "discovery/registry/activation.h"
#include "discovery/store/observed_store.h"
#include "registration/problem.h"
#include "serve/server.h"

namespace prometheus {
class Counter;
class Histogram;
class Registry;
}  // namespace prometheus

namespace holdfast::discovery {

/// Every metric of the service; names and labels live here and in lookup_metrics.h, and nowhere else. Label values are
/// the names of enumerators: no key, address or id can become one.
/// What each means stands in docs/operations/discovery.md; a test holds that list complete.
///
/// Thread-safe.
class Metrics final : public ApiObserver, public StoreObserver {
 public:
  explicit Metrics(std::string const& version);
  ~Metrics() override;

  void on_lookup(std::optional<registration::ProblemType> problem) override;
  void on_write(WriteRoute route, std::optional<registration::ProblemType> problem) override;

  void on_probe(ProbeStep step);
  void on_call(StoreCall call, StoreResult result, std::chrono::microseconds took) override;

  /// What is counted elsewhere, as just asked.
  struct Now {
    bool store_up = false;
    ServerCounters server;  ///< Of the public listener.
    LeaseCounts leases;
    ActivationCounters activations;
    LookupFigures lookups;
    std::optional<GeoFigures> places;  ///< Nothing: regions are not guessed.
  };
  /// What GET /metrics answers.
  std::string text(Now const& now) const;

 private:
  static constexpr std::size_t kOutcomeCount =
      static_cast<std::size_t>(registration::ProblemType::StoreUnavailable) + 2;
  static constexpr std::size_t kRouteCount = static_cast<std::size_t>(WriteRoute::Deregister) + 1;
  using ByOutcome = std::array<prometheus::Counter*, kOutcomeCount>;

  std::shared_ptr<prometheus::Registry> registry_;
  ByOutcome lookups_{};
  std::array<ByOutcome, kRouteCount> writes_{};
  std::array<std::array<prometheus::Histogram*, kStoreResultCount>, kStoreCallCount> store_calls_{};
  std::array<prometheus::Counter*, static_cast<std::size_t>(ProbeStep::Key) + 1> probes_{};
};

}  // namespace holdfast::discovery
