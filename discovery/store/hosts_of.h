#pragma once

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// RecordStore::hosts_of on top of hosting_of and find, for any store.
/// Errors: those of the two.
Result<HostAnswer> hosts_by_reading(RecordStore& store, HostQuery const& query);

/// Lines that count: their replicator is kept, with their generation.
struct LiveLine {
  Hosting line;
  ReplicatorEntry replicator;
};
/// Which lines count, and in `left_overs` (may be null) those that do not.
/// Errors: those of find, but NotFound.
Result<std::vector<LiveLine>> live_lines(RecordStore& store, std::vector<Hosting> const& lines,
                                         std::vector<Hosting>* left_overs);

}  // namespace holdfast::discovery
