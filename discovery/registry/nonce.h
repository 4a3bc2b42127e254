#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Nonces that need no memory until they are used: end of life, random bytes, and a MAC over both
/// under the store's secret, as base64url (43 characters).
///
/// Rules:
///  1. A nonce counts once per replicator: what is used is kept beside the replicator's record.
///     Nobody can use up another's, because only requests that carry a right signature use one up.
///  2. Nonces die with the store's data. Registrations and other writes are checked against the
///     secret as it is now; a record remembers under which secret it was put.
///  3. A renewal is checked against the secret this instance read last, and the record's secret must
///     be the same. So a renewal from before a flush finds no lease, and once the replicator has
///     registered again, another secret: it is refused although no round trip asked for the secret.
///  4. Bound: where a store loses only a part of itself (a failover that loses the last writes, one
///     master of a Cluster), what was used in that part can be used again until its life is over. It
///     repeats what the replicator itself signed at most nonce_life before.
using NonceSalt = FixedBytes<struct NonceSaltTag, 8>;
std::string make_nonce(NonceState const& state, NonceSalt const& salt, Duration life);

/// Errors: Denied (not made under this secret, or over).
/// Returns: what is to be marked as used.
Result<NonceUse> check_nonce(NonceState const& state, std::string_view nonce);

/// A fresh nonce. `freshness`: Recent costs no round trip and may give a nonce of a store that has
/// lost its data since; right where one comes along with an answer, for its user can ask again.
/// Errors: Unavailable.
Result<std::string> issue_nonce(RecordStore& store, Freshness freshness = Freshness::Now);

/// Checks and uses up a nonce. Errors: Denied (the client should try again with a fresh one),
/// Unavailable.
Result<void> use_nonce(RecordStore& store, PublicKey const& id, std::string_view nonce);

/// Checks the nonce of a renewal without asking the store: give it to RecordStore::renew.
/// Errors: Denied, Unavailable.
Result<NonceUse> check_renewal_nonce(RecordStore& store, std::string_view nonce);

}  // namespace holdfast::discovery
