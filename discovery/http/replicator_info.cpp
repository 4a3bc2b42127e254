#include "discovery/http/replicator_info.h"

#include "discovery/http/answers.h"
#include "registration/record.h"

namespace holdfast::discovery {

Listing listing_of(ReplicatorEntry const& entry) {
  if (entry.lease_left <= Duration(0)) return {false, "lease ran out"};
  if (entry.state == registration::ReplicatorState::Draining) return {false, "draining"};
  std::string const why = entry.health.transcript.empty() ? "" : ": " + entry.health.transcript;
  switch (entry.health.self_test) {
    case SelfTest::Pending:
      return {false, "the self-test is not over yet" + why};
    case SelfTest::Failed:
      return {false, "the self-test failed" + why};
    case SelfTest::Passed:
      break;
  }
  if (entry.health.is_out) return {false, "several tests in a row failed" + why};
  return {true, ""};
}

Result<registration::ReplicatorInfo> replicator_info(ReplicatorEntry const& entry) {
  Result<registration::SignedRecord> opened = registration::open_record(entry.signed_record);
  if (!opened) return Unexpected(opened.error());
  Listing listing = listing_of(entry);
  registration::ReplicatorInfo info;
  info.record = std::move(opened->record);
  info.signed_record = entry.signed_record;
  info.state = entry.state;
  info.listed = listing.listed;
  info.reason = std::move(listing.reason);
  info.expires_in_s = whole_seconds(entry.lease_left);
  info.projects = entry.projects;
  info.load = entry.load;
  info.observed_address = entry.observed_host;
  return info;
}

}  // namespace holdfast::discovery
