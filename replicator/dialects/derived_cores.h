#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::replicator {

/// Key of the core that holds the file contents of a Hyperdrive, told from the manifest of its database core alone:
/// the same manifest with every signer's namespace derived from both.
/// Returns: nothing for a manifest that no Hyperdrive derives from (version 0).
/// Source: SPEC section 11 and apps.json.
std::optional<CoreKey> hyperdrive_blobs_key(CoreKey const& database, ByteView manifest);

/// Cores that belong to this one by its manifest's `linked` field. Empty if there are none.
std::vector<CoreKey> linked_cores(ByteView manifest);

}  // namespace holdfast::replicator
