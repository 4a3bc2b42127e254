#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "discovery/http/observer.h"
#include "registration/problem.h"
#include "serve/server.h"

namespace prometheus {
class Counter;
class Registry;
}  // namespace prometheus

namespace holdfast::discovery {

/// Every metric of the service; names and labels live here and nowhere else. Label values are the names of enumerators:
/// no key, address or id can become one.
///
///   holdfast_discovery_lookups_total{outcome}        found, or the name of the problem
///   holdfast_discovery_writes_total{route,outcome}   register, renew, projects, deregister; ok or the problem
///   holdfast_discovery_store_up                      1 while the store answers
///   holdfast_discovery_connections_open, …_accepted_total, …_refused_total, handshakes_failed_total
///   holdfast_discovery_requests_total, requests_refused_total, handler_failures_total
///   holdfast_discovery_build_info{version}
///
/// Thread-safe.
class Metrics final : public ApiObserver {
 public:
  explicit Metrics(std::string const& version);
  ~Metrics() override;

  void on_lookup(std::optional<registration::ProblemType> problem) override;
  void on_write(WriteRoute route, std::optional<registration::ProblemType> problem) override;

  /// What GET /metrics answers. `store_up`: as just asked; `server`: the public listener's counters.
  std::string text(bool store_up, ServerCounters const& server) const;

 private:
  static constexpr std::size_t kOutcomeCount =
      static_cast<std::size_t>(registration::ProblemType::StoreUnavailable) + 2;
  static constexpr std::size_t kRouteCount = static_cast<std::size_t>(WriteRoute::Deregister) + 1;
  using ByOutcome = std::array<prometheus::Counter*, kOutcomeCount>;

  std::shared_ptr<prometheus::Registry> registry_;
  ByOutcome lookups_{};
  std::array<ByOutcome, kRouteCount> writes_{};
};

}  // namespace holdfast::discovery
