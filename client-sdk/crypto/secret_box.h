#pragma once

#include <optional>

#include "base/bytes.h"

namespace holdfast {

using SecretBoxKey = FixedBytes<struct SecretBoxKeyTag, 32>;

/// Encrypts and authenticates under a key that both sides know: random nonce, then XSalsa20-Poly1305. 40 bytes longer
/// than `plain`.
Bytes seal_secret_box(SecretBoxKey const& key, ByteView plain);
/// Returns: nothing unless `sealed` was made under this key and is unchanged.
std::optional<Bytes> open_secret_box(SecretBoxKey const& key, ByteView sealed);

}  // namespace holdfast
