#include "replicator/daemon/metrics.h"

#include <utility>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace holdfast::replicator {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// Collects families; each value appears once, with its name, help and labels in one line of this file.
class Families {
 public:
  void counter(std::string const& name, std::string const& help, std::uint64_t value,
               Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = static_cast<double>(value);
    family(name + "_total", help, MetricType::Counter).metric.push_back(std::move(metric));
  }
  void gauge(std::string const& name, std::string const& help, std::uint64_t value) {
    ClientMetric metric;
    metric.gauge.value = static_cast<double>(value);
    family(name, help, MetricType::Gauge).metric.push_back(std::move(metric));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  MetricFamily& family(std::string const& name, std::string const& help, MetricType type) {
    std::string const full = "holdfast_replicator_" + name;
    if (families_.empty() || families_.back().name != full)
      families_.push_back({full, help, type, {}});
    return families_.back();
  }
  std::vector<MetricFamily> families_;
};

void add_refusals(Families& out, sync::Counters const& sync) {
  std::pair<char const*, std::uint64_t> const reasons[] = {
      {"bad_capability", sync.bad_capability}, {"bad_proof", sync.bad_proof},
      {"bad_signature", sync.bad_signature},   {"bad_handshake", sync.bad_handshake},
      {"malformed", sync.malformed},           {"limit_exceeded", sync.limit_exceeded},
      {"protocol", sync.protocol_violation},   {"timed_out", sync.timed_out},
      {"unhosted_core", sync.unhosted_opens}};
  for (auto const& [reason, count] : reasons) {
    out.counter("peers_refused", "Wire peers refused or paused, by reason.", count,
                {{"reason", reason}});
  }
}

}  // namespace

std::string to_prometheus(MetricsSnapshot const& snapshot) {
  Families out;
  net::HostStats const& host = snapshot.host;
  out.counter("blocks_received", "Blocks verified and made durable.", host.sync.blocks_received);
  out.counter("block_bytes_received", "Bytes of those blocks.", host.sync.bytes_received);
  out.counter("blocks_served", "Blocks sent to wire peers.", host.sync.blocks_served);
  out.counter("block_bytes_served", "Bytes of those blocks.", host.sync.bytes_served);
  out.counter("no_data_sent", "Requests answered with NoData.", host.sync.no_data_sent);
  out.counter("requests_expired", "Requests of ours that were given up.",
              host.sync.requests_expired);
  out.counter("forks_followed", "Times a core was cut back to follow a fork.",
              host.sync.forks_followed);
  add_refusals(out, host.sync);
  out.gauge("connections", "Open connections.", host.connections);
  out.counter("connections_accepted", "Connections accepted.", host.accepted);
  out.counter("connections_refused", "Connections refused over a limit.", host.refused);
  out.counter("dials", "Connections that this node tried to make.", host.dialled);
  out.counter("dials_failed", "Those that failed.", host.dials_failed);
  out.counter("wire_bytes_received", "Bytes read from sockets.", host.wire_bytes_received);
  out.counter("wire_bytes_sent", "Bytes written to sockets.", host.wire_bytes_sent);
  out.gauge("jobs_in_flight", "Jobs of the engine on the workers.", host.jobs_in_flight);
  out.gauge("projects", "Projects hosted.", snapshot.projects);
  out.gauge("assigned_keys", "Assigned keys that no client has brought the project of yet.",
            snapshot.assigned_keys);
  out.gauge("stored_bytes", "Disk used by the store, about.", snapshot.stored_bytes);
  out.gauge("disk_budget_bytes", "Configured --disk-budget; 0: no limit.",
            snapshot.disk_budget_bytes);
  out.gauge("storage_full", "1 while there is no room for what wire peers offer.",
            snapshot.storage_full ? 1 : 0);
  out.counter("named_cores_taken", "Cores that clients named and that were taken.",
              snapshot.named_cores_taken);
  out.counter("named_cores_refused", "Cores that clients named and that were refused.",
              snapshot.named_cores_refused);
  out.gauge("discovery_services", "Discovery services configured.", snapshot.services);
  out.gauge("discovery_services_registered", "Of those, where this node is registered.",
            snapshot.services_registered);
  out.gauge("discovery_services_listing", "Of those, that give this node in answers.",
            snapshot.services_listing);
  out.gauge("discovery_services_refusing",
            "Of those, whose operator's rules keep this node out; the log says why.",
            snapshot.services_refusing);
  out.gauge("unlisted_keys",
            "Keys that a discovery service does not list: over its quota, or with too many hosts.",
            snapshot.unlisted_keys);
  out.counter("renewals", "Leases granted or renewed.", snapshot.renewals);
  out.counter("renewal_failures", "Requests to discovery services that failed.",
              snapshot.renewal_failures);
  out.gauge("draining", "1 after the first SIGTERM.", snapshot.draining ? 1 : 0);
  return out.text();
}

}  // namespace holdfast::replicator
