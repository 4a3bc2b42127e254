#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "core/commit_builder.h"
#include "core/store.h"
#include "wire/messages.h"

namespace holdfast::sync {

using PeerId = StrongId<struct PeerIdTag>;  ///< A wire peer; never used twice by one engine.
using JobId = StrongId<struct JobIdTag>;

/// Requests of one wire peer on one core, to be answered from one consistent view.
struct ServeJob {
  JobId id;
  CoreKey core;
  PeerId peer;
  std::vector<wire::Request> requests;
};

/// One answer for each request, in order: Data or NoData, never silence.
struct ServeResult {
  JobId id;
  std::vector<wire::Message> answers;
};

/// Proofs of any wire peers for one core, to be verified in order and committed as one.
struct IngestJob {
  JobId id;
  CoreKey core;
  std::vector<merkle::Proof> proofs;
};

/// What verification found; nothing is durable yet.
struct IngestResult {
  JobId id;
  core::Commit commit;                 ///< May be empty.
  std::vector<Result<void>> verdicts;  ///< One for each proof, in order.
  core::Head head;                     ///< After the commit.
  bool has_manifest = false;
};

/// Runs on any thread; reads only the view.
ServeResult run(ServeJob const& job, core::CoreView const& view);
/// Runs on any thread; reads only the view. The proofs are moved out of the job.
IngestResult run(IngestJob&& job, core::CoreView const& view);

}  // namespace holdfast::sync
