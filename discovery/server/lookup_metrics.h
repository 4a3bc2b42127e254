#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "discovery/http/lookup_service.h"

namespace holdfast::discovery {

/// What the look-up path counts, as metrics; for metrics.cpp only.
///
///   holdfast_discovery_directory_lookups_total{result}  hit, miss (waited for the store), refused
///   holdfast_discovery_directory_keys, …_bytes          hosting sets in memory
///   holdfast_discovery_degraded                         1 while answers are what was known last
///   holdfast_discovery_panic                            1 while health is ignored (below half healthy)
///   holdfast_discovery_rate_limit_total{kind,verdict}   admitted, refused (in mode measure: would have been)
///   holdfast_discovery_held_refused_total               a network held too many requests already
///   holdfast_discovery_top_talkers{rank}                requests of the busiest networks in the last minute
std::vector<prometheus::MetricFamily> lookup_families(LookupFigures const& figures);

}  // namespace holdfast::discovery
