#pragma once

#include <string>

#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::replicator {

/// The node's key pair: its id, and its static key on the wire. Kept as a hex seed in DIR/identity (0600), made on the
/// first start.
/// Errors: Storage, Malformed (the file was damaged: it is never overwritten).
Result<KeyPair> load_or_make_identity(std::string const& data_dir);

}  // namespace holdfast::replicator
