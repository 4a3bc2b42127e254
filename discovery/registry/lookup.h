#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/keys.h"
#include "discovery/registry/record_store.h"
#include "registration/api.h"

namespace holdfast::discovery {

/// GET /project/{key}/sync, its parameters parsed. Never stored, never logged.
struct LookupQuery {
  DiscoveryKey key;
  std::string region;
  std::optional<registration::AddressKind> transport;
  std::optional<PublicKey> keyholder;
};

enum class LookupOutcome : std::uint8_t {
  Found,
  UnknownKey,      ///< 404
  NobodyCanServe,  ///< 503: known, but no host has a lease, or none speaks the transport.
  Recovering,      ///< 503
  ProjectKeySent,  ///< 400
};

struct Lookup {
  LookupOutcome outcome = LookupOutcome::UnknownKey;
  registration::LookupAnswer answer;  ///< Found: not empty.
};

/// Answers a look-up. On a miss the input is hashed once, and if that is registered the outcome is
/// ProjectKeySent.
/// Errors: Unavailable.
Result<Lookup> look_up(RecordStore& store, LookupQuery const& query);

/// Endpoints of the hosts: the client's region first, then by rendezvous hash of key and id, so
/// that every instance gives the same order; the addresses of one host stay together, in its own
/// order. Hosts with less than a second of lease left are not given, and at most
/// registration::kEndpointsMax.
registration::LookupAnswer rank_endpoints(HostAnswer const& hosts, LookupQuery const& query);

/// What GET /replicators says of one.
/// Errors: those of registration::open_record, if the store was tampered with.
Result<registration::ReplicatorInfo> info_of(ReplicatorEntry const& entry);

/// When to renew a lease that is granted now: a third of it, less up to a fifth of that at random,
/// in whole seconds, at least 1. Requires: lease >= 3 s.
std::uint64_t renew_in_s(Duration lease, Rng& rng);

}  // namespace holdfast::discovery
