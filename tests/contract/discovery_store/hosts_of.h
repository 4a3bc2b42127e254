#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// What a look-up asks the store for. Never stored, never logged.
struct HostQuery {
  DiscoveryKey key;
  std::string region;                  ///< Candidates there are taken first; may be empty.
  std::optional<PublicKey> keyholder;  ///< Only hosts with a proof by it that is not expired.
  std::size_t candidates_max = 64;
};

struct Host {
  ReplicatorEntry replicator;                         ///< Active, with a lease.
  std::optional<registration::KeyholderProof> proof;  ///< As stored, unless it is expired.
};

struct HostAnswer {
  std::uint64_t now_unix_ms = 0;  ///< Store time, what leases and proofs were judged by.
  std::vector<Host> hosts;        ///< In no order that means anything.
  bool known =
      false;  ///< Somebody is or was listed who matches the query, even if not able to serve.
  bool recovering =
      false;  ///< The store lost its data less than a lease ago: "unknown" means little.
};

/// What a look-up finds in a store: the hosting set of a key, with the replicators behind it.
/// Errors: those of hosting_of and find.
Result<HostAnswer> hosts_of(RecordStore& store, HostQuery const& query);

}  // namespace holdfast::discovery
