#pragma once

#include <vector>

#include <prometheus/metric_family.h>

#include "discovery/http/lookup_service.h"

namespace holdfast::discovery {

/// What the look-up path counts, as metrics; for metrics.cpp only.
std::vector<prometheus::MetricFamily> lookup_families(LookupFigures const& figures);

}  // namespace holdfast::discovery
