#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Nonces that need no memory until they are used: end of life, random bytes, and a MAC over both
/// under the store's secret, as base64url (43 characters). Pure, but for the last two functions,
/// which ask the store.
using NonceSalt = FixedBytes<struct NonceSaltTag, 8>;
std::string make_nonce(NonceState const& state, NonceSalt const& salt, Duration life);

/// Errors: Denied (not made under this secret, or over).
/// Returns: how long it still lives.
Result<Duration> check_nonce(NonceState const& state, std::string_view nonce);

/// A fresh nonce for an answer. Errors: Unavailable.
Result<std::string> issue_nonce(RecordStore& store);

/// Checks and uses up a nonce. Errors: Denied (the client should try again with a fresh one),
/// Unavailable.
Result<void> use_nonce(RecordStore& store, std::string_view nonce);

}  // namespace holdfast::discovery
