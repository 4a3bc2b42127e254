#pragma once

#include <initializer_list>
#include <string_view>

#include "base/bytes.h"

namespace holdfast {

using Hash = FixedBytes<struct HashTag, 32>;      ///< BLAKE2b-256.
using Hash64 = FixedBytes<struct Hash64Tag, 64>;  ///< BLAKE2b-512; also a Noise handshake hash.

/// BLAKE2b-256 over the parts in order, as if they were one string. Source: SPEC section 2.
Hash blake2b(std::initializer_list<ByteView> parts);
/// The same, keyed. Requires: key.size() <= 64.
Hash blake2b_keyed(ByteView key, std::initializer_list<ByteView> parts);
/// BLAKE2b-512, unkeyed.
Hash64 blake2b_512(std::initializer_list<ByteView> parts);
/// SHA-256.
Hash sha256(ByteView bytes);
/// namespace(name, i) of hypercore-crypto: blake2b(blake2b(name) || byte(i)).
Hash crypto_namespace(std::string_view name, Byte index);

/// Compares secrets in time that does not depend on where they differ.
bool equal_in_constant_time(ByteView a, ByteView b);

}  // namespace holdfast
