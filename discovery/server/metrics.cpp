#include "discovery/server/metrics.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "base/check.h"
#include "discovery/server/lookup_metrics.h"

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

/// One family with a value for each of `values`, told apart by the label `label`.
prometheus::MetricFamily labelled(
    char const* name, char const* help, char const* label,
    std::initializer_list<std::pair<char const*, std::uint64_t>> values) {
  prometheus::MetricFamily out;
  out.name = std::string("holdfast_discovery_") + name;
  out.help = help;
  out.type = prometheus::MetricType::Counter;
  for (auto const& [value, count] : values) {
    prometheus::ClientMetric metric;
    metric.label.push_back({label, value});
    metric.counter.value = static_cast<double>(count);
    out.metric.push_back(std::move(metric));
  }
  return out;
}

prometheus::MetricFamily turns_family(ServerCounters const& server) {
  prometheus::MetricFamily out;
  out.name = "holdfast_discovery_loop_turn_seconds";
  out.help = "How long the event loops were busy before they looked at their sockets again";
  out.type = prometheus::MetricType::Histogram;
  prometheus::ClientMetric metric;
  constexpr std::array<double, 5> kBounds = {0.001, 0.005, 0.02, 0.1, 0.5};
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < server.turns.size(); ++i) {
    count += server.turns[i];
    double const bound = i < kBounds.size() ? kBounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({count, bound});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = static_cast<double>(server.turn_us_sum) / 1e6;
  out.metric.push_back(std::move(metric));
  return out;
}

prometheus::MetricFamily lease_family(LeaseCounts const& leases) {
  prometheus::MetricFamily out =
      labelled("replicators", "Replicators by what they are to look-ups", "state",
               {{"listed", leases.listed},
                {"pending", leases.pending},
                {"failed", leases.failed},
                {"out", leases.out},
                {"draining", leases.draining},
                {"expired", leases.expired}});
  out.type = prometheus::MetricType::Gauge;
  for (prometheus::ClientMetric& metric : out.metric) metric.gauge.value = metric.counter.value;
  return out;
}

std::vector<prometheus::MetricFamily> geoip_families(std::optional<GeoFigures> const& places) {
  auto const gauge = [](char const* name, char const* help, std::uint64_t value) {
    return family(name, help, prometheus::MetricType::Gauge, static_cast<double>(value));
  };
  GeoFigures const figures = places.value_or(GeoFigures{});
  return {gauge("geoip_on", "Whether the regions of clients are guessed", places ? 1 : 0),
          gauge("geoip_build_epoch", "When the file of countries was built, in Unix seconds",
                figures.built_unix_s),
          labelled("geoip_reloads_total", "Readings of the file after the first", "outcome",
                   {{"used", figures.reloads}, {"kept-old", figures.failures}})};
}

std::vector<prometheus::MetricFamily> activation_families(ActivationCounters const& counters) {
  auto const counter = [](char const* name, char const* help, std::uint64_t value) {
    return family(name, help, prometheus::MetricType::Counter, static_cast<double>(value));
  };
  return {
      counter("activations_begun_total", "New keys that were to be brought to a volunteer",
              counters.begun),
      counter("activations_confirmed_total", "Of these, taken on", counters.confirmed),
      counter("activations_passed_on_total",
              "Volunteers that did not confirm in time, so that the next was asked",
              counters.passed_on),
      counter("activations_failed_total", "New keys that nobody took on", counters.failed),
  };
}

std::vector<prometheus::MetricFamily> server_families(bool store_up, ServerCounters const& server) {
  auto const counter = [](char const* name, char const* help, std::uint64_t value) {
    return family(name, help, prometheus::MetricType::Counter, static_cast<double>(value));
  };
  auto const gauge = [](char const* name, char const* help, std::uint64_t value) {
    return family(name, help, prometheus::MetricType::Gauge, static_cast<double>(value));
  };
  return {
      gauge("store_up", "Whether the store answers", store_up ? 1 : 0),
      gauge("connections_open", "Connections now open", server.connections_open),
      counter("connections_accepted_total", "Connections accepted", server.connections_accepted),
      labelled("handshakes_total", "TLS handshakes", "outcome",
               {{"full", server.handshakes_full},
                {"resumed", server.handshakes_resumed},
                {"failed", server.handshakes_failed}}),
      counter("requests_total", "Requests answered by a handler", server.requests),
      counter("requests_fast_total", "Of these, answered past the HTTP library",
              server.requests_fast),
      labelled("refused_total", "Requests and connections refused before any handler", "reason",
               {{"malformed", server.refused_by(Refusal::Malformed)},
                {"too-slow", server.refused_by(Refusal::TooSlow)},
                {"too-large", server.refused_by(Refusal::TooLarge)},
                {"target-too-long", server.refused_by(Refusal::TargetTooLong)},
                {"head-too-large", server.refused_by(Refusal::HeadTooLarge)},
                {"overload", server.refused_by(Refusal::Overload)},
                {"connections", server.refused_by(Refusal::Connections)},
                {"proxy-header", server.refused_by(Refusal::ProxyHeader)}}),
      counter("handler_failures_total", "Requests answered with 500", server.handler_failures),
      gauge("waiting_requests", "Requests that wait for an event", server.waiting),
      gauge("buffered_bytes", "Bytes held for requests and answers under way",
            server.buffered_bytes),
      turns_family(server),
      labelled("certificate_reloads_total", "Readings of changed certificate files", "outcome",
               {{"used", server.certificate_reloads}, {"kept-old", server.certificate_failures}})};
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
  auto& probes = prometheus::BuildCounter()
                     .Name("holdfast_discovery_probes_total")
                     .Help("Tests of replicators by what they came to")
                     .Register(*registry_);
  for (std::size_t step = 0; step < probes_.size(); ++step) {
    probes_[step] = &probes.Add({{"result", std::string(name_of(static_cast<ProbeStep>(step)))}});
  }
  auto& calls = prometheus::BuildHistogram()
                    .Name("holdfast_discovery_store_seconds")
                    .Help("How long calls of the store took")
                    .Register(*registry_);
  prometheus::Histogram::BucketBoundaries const bounds = {0.0001, 0.0005, 0.001, 0.005,
                                                          0.02,   0.1,    0.25};
  for (std::size_t call = 0; call < kStoreCallCount; ++call) {
    for (std::size_t result = 0; result < kStoreResultCount; ++result) {
      store_calls_[call][result] =
          &calls.Add({{"call", std::string(name_of(static_cast<StoreCall>(call)))},
                      {"result", std::string(name_of(static_cast<StoreResult>(result)))}},
                     bounds);
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

void Metrics::on_call(StoreCall call, StoreResult result, std::chrono::microseconds took) {
  store_calls_.at(static_cast<std::size_t>(call))
      .at(static_cast<std::size_t>(result))
      ->Observe(std::chrono::duration<double>(took).count());
}

void Metrics::on_probe(ProbeStep step) { probes_.at(static_cast<std::size_t>(step))->Increment(); }

std::string Metrics::text(Now const& now) const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (prometheus::MetricFamily& more : server_families(now.store_up, now.server))
    families.push_back(std::move(more));
  families.push_back(lease_family(now.leases));
  for (prometheus::MetricFamily& more : activation_families(now.activations))
    families.push_back(std::move(more));
  for (prometheus::MetricFamily& more : lookup_families(now.lookups))
    families.push_back(std::move(more));
  for (prometheus::MetricFamily& more : geoip_families(now.places))
    families.push_back(std::move(more));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace holdfast::discovery
