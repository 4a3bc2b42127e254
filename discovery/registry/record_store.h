#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "registration/api.h"
#include "registration/keyholder_proof.h"
#include "registration/record.h"

namespace holdfast::discovery {

/// Bounds and lengths that a store keeps to. All instances on one store use the same.
struct StoreOptions {
  Duration lease{60'000};          ///< At least 1 s; services grant at least 3 s.
  Duration forget_after{600'000};  ///< After a lease ran out, for so long its keys count as known.
  Duration nonce_life{300'000};
  std::size_t replicators_max = 100'000;
  std::size_t projects_per_replicator_max = 100'000;
  std::size_t hosts_per_key_max = 1'024;
  std::size_t used_nonces_max =
      1'000'000;  ///< Memory store: beyond, writes are refused (Unavailable).
};

/// A replicator as the store knows it.
struct ReplicatorEntry {
  PublicKey id;
  Bytes signed_record;
  std::string observed_host;  ///< Where its last registration came from.
  registration::ReplicatorState state = registration::ReplicatorState::Active;
  registration::LoadFigures load;
  std::uint64_t projects = 0;
  Duration lease_left{0};  ///< At the time of the answer; 0: ran out.
};

struct PutAnswer {
  enum class Outcome : std::uint8_t {
    Stored,     ///< New or newer record.
    Unchanged,  ///< The same bytes as kept. The lease is renewed all the same.
    Conflict,   ///< Lower seq, or the same with other bytes. Nothing changed.
  };
  Outcome outcome = Outcome::Stored;
  Bytes kept_record;           ///< Conflict: what is kept.
  std::uint64_t projects = 0;  ///< Keys listed for it.
};

/// What a look-up asks the store for. Never stored, never logged.
struct HostQuery {
  DiscoveryKey key;
  std::string region;                  ///< Candidates there are taken first; may be empty.
  std::optional<PublicKey> keyholder;  ///< Only hosts with a proof by it that is not expired.
  std::size_t candidates_max = 64;
};

struct Host {
  ReplicatorEntry replicator;                         ///< Active, with a lease.
  std::optional<registration::KeyholderProof> proof;  ///< As stored, unless it is expired.
};

struct HostAnswer {
  std::uint64_t now_unix_ms = 0;  ///< Store time, what leases and proofs were judged by.
  std::vector<Host> hosts;        ///< In no order that means anything.
  bool known =
      false;  ///< Somebody is or was listed who matches the query, even if not able to serve.
  bool recovering =
      false;  ///< The store lost its data less than a lease ago: "unknown" means little.
};

struct NonceState {
  Hash secret;                    ///< Made by the store, and lost with it.
  std::uint64_t now_unix_ms = 0;  ///< Store time.
};

/// Who is registered, with which keys, until when. One call is one state change, all or nothing.
///
/// Rules (tests/contract/discovery_store holds every store to them):
///  1. Time is the store's. Why: one instance's wrong clock must matter nowhere.
///  2. A lease is data: judged whenever it is read, over at its very millisecond.
///  3. A replicator whose lease ran out is "unknown" to renew and change_projects, so that it
///  registers
///     again; its record and keys are kept for forget_after, so that look-ups can tell "not now"
///     from "never", and a seq cannot be rolled back meanwhile.
///  4. Everything is soft state: after losing it all, the same calls build it up again.
///  5. What a caller passes was verified before (record and proof signatures, request signature).
/// Thread-safe. Errors of every call: Unavailable (time-out, connection), within 300 ms.
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  /// Puts a record in place, makes the replicator active and grants a lease from now.
  /// Errors: LimitExceeded (replicators_max).
  virtual Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                             std::string_view observed_host) = 0;

  /// Grants a lease from now, and keeps state and load.
  /// Errors: NotFound (no live lease).
  virtual Result<ReplicatorEntry> renew(PublicKey const& id,
                                        registration::RenewRequest const& request) = 0;

  /// Forgets all keys (if replace), removes, then adds. Adding a key again replaces its proof.
  /// Returns: how many keys are listed now.
  /// Errors: NotFound (no live lease), LimitExceeded (projects per replicator, hosts per key,
  /// batch).
  virtual Result<std::uint64_t> change_projects(PublicKey const& id,
                                                registration::ProjectsRequest const& request) = 0;

  /// Forgets a replicator and its keys at once.
  /// Errors: NotFound (nothing was kept of it).
  virtual Result<void> deregister(PublicKey const& id) = 0;

  virtual Result<HostAnswer> hosts_of(HostQuery const& query) = 0;

  /// Live leases in order of id, behind `after`; at most `limit`.
  virtual Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                                    std::size_t limit) = 0;

  /// Also one whose lease ran out, until it is forgotten (lease_left is 0).
  /// Errors: NotFound.
  virtual Result<ReplicatorEntry> find(PublicKey const& id) = 0;

  /// Secret and time for making and checking nonces (registry/nonce.h).
  virtual Result<NonceState> nonce_state() = 0;

  /// Marks a nonce as used, if the store's secret still is `secret`.
  /// `nonce_id`: what names the nonce, short. `life`: how long it must be remembered.
  /// Errors: Denied (used before, or another secret), Unavailable also when used_nonces_max is
  /// reached.
  virtual Result<void> spend_nonce(Hash const& secret, std::string_view nonce_id,
                                   Duration life) = 0;

  /// Store time, Unix milliseconds. Also the health check.
  virtual Result<std::uint64_t> now_unix_ms() = 0;

  virtual StoreOptions const& options() const = 0;
};

}  // namespace holdfast::discovery
