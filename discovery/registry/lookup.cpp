#include "discovery/registry/lookup.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "base/check.h"
#include "crypto/hash.h"

namespace holdfast::discovery {

namespace {

using registration::Address;
using registration::AddressKind;
using registration::Endpoint;
using registration::LookupAnswer;

std::uint64_t seconds_of(Duration duration) {
  return duration.count() <= 0 ? 0 : static_cast<std::uint64_t>(duration.count() / 1000);
}

/// A host that can be given, opened.
struct Candidate {
  Host const* host;
  registration::SignedRecord record;
  bool is_elsewhere;  ///< Not in the client's region.
  Hash score;

  bool operator<(Candidate const& other) const {
    return std::tie(is_elsewhere, score) < std::tie(other.is_elsewhere, other.score);
  }
};

std::vector<Candidate> candidates_of(HostAnswer const& hosts, LookupQuery const& query) {
  std::vector<Candidate> out;
  for (Host const& host : hosts.hosts) {
    if (seconds_of(host.replicator.lease_left) == 0) continue;
    // Verified at registration; a store that was tampered with must not reach a client.
    Result<registration::SignedRecord> record =
        registration::open_record(host.replicator.signed_record);
    if (!record || record->record.id != host.replicator.id) continue;
    bool const is_elsewhere = !query.region.empty() && record->record.region != query.region;
    Hash const score = blake2b({query.key.view(), host.replicator.id.view()});
    out.push_back({&host, *std::move(record), is_elsewhere, score});
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::optional<Endpoint> endpoint_of(Candidate const& candidate, Address const& address) {
  Endpoint out;
  out.replicator = candidate.host->replicator.id;
  out.transport = address.kind;
  out.region = candidate.record.record.region;
  out.expires_in_s = seconds_of(candidate.host->replicator.lease_left);
  out.proof = candidate.host->proof;
  out.record = candidate.record.bytes;
  if (address.kind == AddressKind::Tcp) {
    out.host = address.host.empty() ? candidate.host->replicator.observed_host : address.host;
    out.port = address.port;
  } else {
    Result<registration::HostPort> const target = registration::host_of_url(address.url);
    if (!target) return std::nullopt;
    out.host = target->host;
    out.port = target->port;
    out.url = address.url;
  }
  if (!registration::is_host(out.host)) return std::nullopt;
  return out;
}

Result<bool> is_hash_known(RecordStore& store, DiscoveryKey const& sent) {
  HostQuery query;
  query.key = discovery_key_of(CoreKey{sent.bytes});
  query.candidates_max = 1;
  Result<HostAnswer> const hosts = store.hosts_of(query);
  if (!hosts) return Unexpected(hosts.error());
  return hosts->known;
}

}  // namespace

LookupAnswer rank_endpoints(HostAnswer const& hosts, LookupQuery const& query) {
  LookupAnswer out;
  for (Candidate const& candidate : candidates_of(hosts, query)) {
    for (Address const& address : candidate.record.record.addresses) {
      if (query.transport && *query.transport != address.kind) continue;
      if (out.endpoints.size() == registration::kEndpointsMax) return out;
      std::optional<Endpoint> endpoint = endpoint_of(candidate, address);
      if (endpoint) out.endpoints.push_back(*std::move(endpoint));
    }
  }
  return out;
}

Result<Lookup> look_up(RecordStore& store, LookupQuery const& query) {
  HostQuery host_query;
  host_query.key = query.key;
  host_query.region = query.region;
  host_query.keyholder = query.keyholder;
  Result<HostAnswer> const hosts = store.hosts_of(host_query);
  if (!hosts) return Unexpected(hosts.error());
  LookupAnswer answer = rank_endpoints(*hosts, query);
  if (!answer.endpoints.empty()) return Lookup{LookupOutcome::Found, std::move(answer)};
  if (hosts->known) return Lookup{LookupOutcome::NobodyCanServe, {}};
  Result<bool> const is_project_key = is_hash_known(store, query.key);
  if (!is_project_key) return Unexpected(is_project_key.error());
  if (*is_project_key) return Lookup{LookupOutcome::ProjectKeySent, {}};
  return Lookup{hosts->recovering ? LookupOutcome::Recovering : LookupOutcome::UnknownKey, {}};
}

Result<registration::ReplicatorInfo> info_of(ReplicatorEntry const& entry) {
  Result<registration::SignedRecord> record = registration::open_record(entry.signed_record);
  if (!record) return Unexpected(record.error());
  registration::ReplicatorInfo out;
  out.record = std::move(record->record);
  out.signed_record = entry.signed_record;
  out.state = entry.state;
  out.expires_in_s = seconds_of(entry.lease_left);
  out.projects = entry.projects;
  out.load = entry.load;
  out.observed_address = entry.observed_host;
  if (out.expires_in_s == 0) {
    out.reason = "lease ran out";
  } else if (entry.state == registration::ReplicatorState::Draining) {
    out.reason = "draining";
  }
  out.listed = out.reason.empty();
  return out;
}

std::uint64_t renew_in_s(Duration lease, Rng& rng) {
  HOLDFAST_CHECK(lease >= Duration(3'000));
  std::uint64_t const third_ms = static_cast<std::uint64_t>(lease.count()) / 3;
  std::uint64_t const jittered_ms = third_ms - rng.below(third_ms / 5 + 1);
  return std::max<std::uint64_t>(1, jittered_ms / 1000);
}

}  // namespace holdfast::discovery
