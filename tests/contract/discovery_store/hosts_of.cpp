#include "hosts_of.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "crypto/hash.h"

namespace holdfast::discovery {

namespace {

using registration::KeyholderProof;
using registration::ReplicatorState;

/// A host that could be given.
struct Chosen {
  bool is_elsewhere = false;
  Hash rank;
  Host host;

  bool operator<(Chosen const& other) const {
    return std::tie(is_elsewhere, rank) < std::tie(other.is_elsewhere, other.rank);
  }
};

/// Cuts a long list down. Which are left over depends on the key, so that nobody can choose an id
/// that comes first for every key.
void keep_best(std::vector<Chosen>& hosts, HostQuery const& query) {
  if (hosts.size() <= query.candidates_max) return;
  for (Chosen& chosen : hosts) {
    chosen.rank = blake2b({query.key.view(), chosen.host.replicator.id.view()});
    auto const record = registration::open_record(chosen.host.replicator.signed_record);
    chosen.is_elsewhere =
        !query.region.empty() && (!record || record->record.region != query.region);
  }
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(hosts.begin() + static_cast<std::ptrdiff_t>(query.candidates_max), hosts.end());
}

/// A line that counts: its replicator is kept, with its generation.
struct LiveLine {
  Hosting line;
  ReplicatorEntry replicator;
};

Result<std::vector<LiveLine>> live_lines(RecordStore& store, std::vector<Hosting> const& lines) {
  std::vector<LiveLine> out;
  for (Hosting const& line : lines) {
    Result<ReplicatorEntry> entry = store.find(line.id);
    if (!entry && entry.error().code != ErrorCode::NotFound) return Unexpected(entry.error());
    if (entry && entry->generation == line.generation) out.push_back({line, *std::move(entry)});
  }
  return out;
}

}  // namespace

Result<HostAnswer> hosts_of(RecordStore& store, HostQuery const& query) {
  Result<HostingSet> const set = store.hosting_of(query.key);
  if (!set) return Unexpected(set.error());
  Result<std::vector<LiveLine>> lines = live_lines(store, set->lines);
  if (!lines) return Unexpected(lines.error());
  HostAnswer out;
  out.now_unix_ms = set->now_unix_ms;
  out.recovering = set->recovering;
  std::vector<Chosen> chosen;
  for (LiveLine& live : *lines) {
    std::optional<KeyholderProof> const& proof = live.line.proof;
    bool const is_proven = proof && proof->expires_unix_s > out.now_unix_ms / 1000;
    if (query.keyholder && (!is_proven || proof->keyholder != *query.keyholder)) continue;
    out.known = true;
    bool const can_serve = live.replicator.state == ReplicatorState::Active &&
                           live.replicator.lease_left > Duration(0);
    if (!can_serve) continue;
    Chosen& next = chosen.emplace_back();
    next.host.replicator = std::move(live.replicator);
    if (is_proven) next.host.proof = proof;
  }
  keep_best(chosen, query);
  for (Chosen& next : chosen) out.hosts.push_back(std::move(next.host));
  return out;
}

}  // namespace holdfast::discovery
