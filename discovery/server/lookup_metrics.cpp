#include "discovery/server/lookup_metrics.h"

#include <array>
#include <string>
#include <utility>

namespace holdfast::discovery {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily family(std::string const& name, char const* help, MetricType type) {
  MetricFamily out;
  out.name = "holdfast_discovery_" + name;
  out.help = help;
  out.type = type;
  return out;
}

void add(MetricFamily& to, double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (to.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  to.metric.push_back(std::move(metric));
}

MetricFamily gauge(char const* name, char const* help, double value) {
  MetricFamily out = family(name, help, MetricType::Gauge);
  add(out, value);
  return out;
}

MetricFamily rate_family(RateCounters const& rates) {
  MetricFamily out =
      family("rate_limit_total", "Requests by what their budget said", MetricType::Counter);
  for (std::size_t i = 0; i < kRateKinds; ++i) {
    std::string const kind(rate_kind_name(static_cast<RateKind>(i)));
    add(out, static_cast<double>(rates.admitted[i]), {{"kind", kind}, {"verdict", "admitted"}});
    add(out, static_cast<double>(rates.refused[i]), {{"kind", kind}, {"verdict", "refused"}});
  }
  return out;
}

}  // namespace

std::vector<MetricFamily> lookup_families(LookupFigures const& figures) {
  std::vector<MetricFamily> out;
  MetricFamily lookups =
      family("directory_lookups_total", "Look-ups by where the answer was", MetricType::Counter);
  add(lookups, static_cast<double>(figures.directory.hits), {{"result", "hit"}});
  add(lookups, static_cast<double>(figures.directory.misses), {{"result", "miss"}});
  add(lookups, static_cast<double>(figures.directory.refused + figures.fetches_refused),
      {{"result", "refused"}});
  out.push_back(std::move(lookups));
  out.push_back(gauge("directory_keys", "Hosting sets in memory",
                      static_cast<double>(figures.directory.keys)));
  out.push_back(
      gauge("directory_bytes", "What they take", static_cast<double>(figures.directory.bytes)));
  out.push_back(
      gauge("degraded", "1 while answers are what was known last", figures.is_degraded ? 1 : 0));
  out.push_back(gauge("panic", "1 while health is ignored", figures.replicators.is_panic ? 1 : 0));
  out.push_back(rate_family(figures.rates));
  MetricFamily held = family("held_refused_total",
                             "Requests refused because their network holds "
                             "too many",
                             MetricType::Counter);
  add(held, static_cast<double>(figures.rates.waits_refused));
  out.push_back(std::move(held));
  MetricFamily talkers = family(
      "top_talkers", "Requests of the busiest networks in the last minute", MetricType::Gauge);
  for (std::size_t i = 0; i < figures.top_talkers.size(); ++i) {
    add(talkers, static_cast<double>(figures.top_talkers[i]), {{"rank", std::to_string(i + 1)}});
  }
  out.push_back(std::move(talkers));
  return out;
}

}  // namespace holdfast::discovery
