#include "discovery/server/metrics.h"

#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemType;

std::string_view name_of(WriteRoute route) {
  switch (route) {
    case WriteRoute::Register:
      return "register";
    case WriteRoute::Renew:
      return "renew";
    case WriteRoute::Projects:
      return "projects";
    case WriteRoute::Deregister:
      return "deregister";
  }
  HOLDFAST_CHECK(false);
}

/// 0 is success; a problem is its number and one.
std::size_t slot_of(std::optional<ProblemType> problem) {
  return problem ? static_cast<std::size_t>(*problem) + 1 : 0;
}

std::string outcome_name(std::size_t slot, char const* success) {
  return slot == 0 ? success
                   : std::string(registration::problem_name(static_cast<ProblemType>(slot - 1)));
}

prometheus::MetricFamily family(char const* name, char const* help, prometheus::MetricType type,
                                double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  return {std::string("holdfast_discovery_") + name, help, type, {metric}};
}

std::vector<prometheus::MetricFamily> server_families(bool store_up, ServerCounters const& server) {
  auto const counter = [](char const* name, char const* help,
                          std::atomic<std::uint64_t> const& value) {
    return family(name, help, prometheus::MetricType::Counter, static_cast<double>(value.load()));
  };
  return {
      family("store_up", "Whether the store answers", prometheus::MetricType::Gauge,
             store_up ? 1 : 0),
      family("connections_open", "Connections now open", prometheus::MetricType::Gauge,
             static_cast<double>(server.connections_open.load())),
      counter("connections_accepted_total", "Connections accepted", server.connections_accepted),
      counter("connections_refused_total", "Connections closed to stay within bounds",
              server.connections_refused),
      counter("handshakes_failed_total", "TLS handshakes that failed or took too long",
              server.handshakes_failed),
      counter("requests_total", "Requests answered", server.requests),
      counter("requests_refused_total", "Requests refused by limits and form",
              server.requests_refused),
      counter("handler_failures_total", "Requests answered with 500", server.handler_failures)};
}

}  // namespace

Metrics::Metrics(std::string const& version) : registry_(std::make_shared<prometheus::Registry>()) {
  auto& lookups = prometheus::BuildCounter()
                      .Name("holdfast_discovery_lookups_total")
                      .Help("Look-ups by what was answered")
                      .Register(*registry_);
  auto& writes = prometheus::BuildCounter()
                     .Name("holdfast_discovery_writes_total")
                     .Help("Signed requests by route and what was answered")
                     .Register(*registry_);
  for (std::size_t slot = 0; slot < kOutcomeCount; ++slot) {
    lookups_[slot] = &lookups.Add({{"outcome", outcome_name(slot, "found")}});
    for (std::size_t route = 0; route < kRouteCount; ++route) {
      writes_[route][slot] =
          &writes.Add({{"route", std::string(name_of(static_cast<WriteRoute>(route)))},
                       {"outcome", outcome_name(slot, "ok")}});
    }
  }
  prometheus::BuildGauge()
      .Name("holdfast_discovery_build_info")
      .Help("Always 1")
      .Register(*registry_)
      .Add({{"version", version}})
      .Set(1);
}

Metrics::~Metrics() = default;

void Metrics::on_lookup(std::optional<ProblemType> problem) {
  lookups_[slot_of(problem)]->Increment();
}

void Metrics::on_write(WriteRoute route, std::optional<ProblemType> problem) {
  writes_[static_cast<std::size_t>(route)][slot_of(problem)]->Increment();
}

std::string Metrics::text(bool store_up, ServerCounters const& server) const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (prometheus::MetricFamily& more : server_families(store_up, server))
    families.push_back(std::move(more));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace holdfast::discovery
