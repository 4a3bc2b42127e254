#pragma once

#include <cstdint>
#include <optional>
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
  std::size_t bytes_max =
      0;  ///< Stop after the answer that passes this many bytes of block values.
};

/// One encoded message that answers one request.
struct Answer {
  std::uint64_t request = 0;
  std::uint64_t type = 0;  ///< wire::Data::kType or wire::NoData::kType.
  Bytes body;
  std::size_t block_bytes = 0;
};

/// One answer for each request, in order: Data or NoData, never silence. Fewer than requests (but at least one)
/// when bytes_max was passed: the engine asks again for the rest.
struct ServeResult {
  JobId id;
  std::vector<Answer> answers;
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
  core::Commit commit;  ///< May be empty. The shell may move it away; the engine does not read it.
  std::vector<Result<void>> verdicts;  ///< One for each proof, in order.
  /// What holds once the commit is durable:
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  std::optional<Bytes> manifest;              ///< If it became known.
  std::optional<std::uint64_t> truncated_to;  ///< A fork was followed.
  std::vector<std::uint64_t> blocks;          ///< Added; ascending.
};

/// Runs on any thread; reads only the view.
ServeResult run(ServeJob const& job, core::CoreView const& view);
/// Runs on any thread; reads only the view. The proofs are moved out of the job.
/// A view that cannot be read gives every proof the verdict Storage.
IngestResult run(IngestJob job, core::CoreView const& view);

}  // namespace holdfast::sync
