#pragma once

#include "crypto/hash.h"
#include "crypto/keys.h"
#include "wire/transport.h"

namespace holdfast::wire {

/// What the Open of a core's channel carries to prove that its sender knows the core key, bound to
/// one connection. `sender`: the Noise role of whoever sends it. Compare with
/// equal_in_constant_time. Source: SPEC 3.3.
Hash capability(Role sender, Hash64 const& handshake_hash, CoreKey const& core);

}  // namespace holdfast::wire
