#pragma once

#include <cstdint>
#include <string>

#include "net/engine_host.h"

namespace holdfast::replicator {

/// Everything the node tells a dashboard, read at one moment. Names and meanings: docs/operations/replicator.md.
struct MetricsSnapshot {
  net::HostStats host;
  std::uint64_t projects = 0;
  std::uint64_t assigned_keys = 0;  ///< Taken on, and no client has brought the core key yet.
  std::uint64_t stored_bytes = 0;
  std::uint64_t disk_budget_bytes = 0;  ///< 0: no limit.
  bool storage_full = false;            ///< Nothing new is taken.
  std::uint64_t named_cores_taken = 0;
  std::uint64_t named_cores_refused = 0;
  std::uint64_t services = 0;
  std::uint64_t services_registered = 0;
  std::uint64_t services_listing = 0;
  std::uint64_t services_refusing = 0;
  std::uint64_t unlisted_keys = 0;  ///< At the service that lists the fewest.
  std::uint64_t renewals = 0;
  std::uint64_t renewal_failures = 0;
  bool draining = false;
};

/// Prometheus text exposition format.
std::string to_prometheus(MetricsSnapshot const& snapshot);

}  // namespace holdfast::replicator
