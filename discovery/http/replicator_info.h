#pragma once

#include <string>

#include "base/result.h"
#include "discovery/registry/record_store.h"
#include "registration/api.h"

namespace holdfast::discovery {

/// Whether look-ups are given a replicator, and if not, why.
struct Listing {
  bool listed = false;
  std::string reason;  ///< For its owner, one sentence; at most 1,280 bytes.
};
Listing listing_of(ReplicatorEntry const& entry);

/// What GET /replicators says of one.
/// Errors: those of registration::open_record, if the store was tampered with.
Result<registration::ReplicatorInfo> replicator_info(ReplicatorEntry const& entry);

}  // namespace holdfast::discovery
