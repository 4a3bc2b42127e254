#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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
  std::size_t projects_per_replicator_max = 100'000;  ///< Unless a call says otherwise.
  std::size_t hosts_per_key_max = 1'024;
  std::size_t peers_per_key_max = 64;
  std::size_t assignments_per_replicator_max = 10'000;
  std::size_t shared_per_kind_max = 10'000;
  std::size_t used_nonces_max =
      1'000'000;  ///< Memory store: beyond, writes are refused (Unavailable).
};

inline constexpr std::size_t kTranscriptBytesMax = 1'024;
inline constexpr std::size_t kSharedNameBytesMax = 256;
inline constexpr std::size_t kSharedValueBytesMax = 16 * 1'024;

/// What our own test of the addresses in a record said.
enum class SelfTest : std::uint8_t { Pending, Passed, Failed };

/// What our probes say of a replicator. Kept in the store, so that every instance judges alike.
struct Health {
  SelfTest self_test = SelfTest::Pending;  ///< Of the addresses of the record that is kept.
  bool is_out = false;                     ///< Failed probes took it out; passes bring it back.
  std::uint32_t fails_in_row = 0;
  std::uint32_t passes_in_row = 0;
  std::uint64_t last_pass_unix_ms = 0;  ///< Store time.
  std::string transcript;  ///< Of the last failed test, for its owner. Cut to kTranscriptBytesMax.
  friend bool operator==(Health const&, Health const&) = default;
};

/// A replicator as the store knows it.
struct ReplicatorEntry {
  PublicKey id;
  Bytes signed_record;
  std::string observed_host;  ///< Where its last registration came from.
  registration::ReplicatorState state = registration::ReplicatorState::Active;
  registration::LoadFigures load;
  Health health;
  /// Another number each time the replicator replaces its whole list or comes back after it was
  /// forgotten. A hosting line counts only if its generation equals this one.
  std::uint64_t generation = 0;
  std::uint64_t projects = 0;  ///< Keys listed. Not told by on_renewed.
  Duration lease_left{0};      ///< At the time of the answer; 0: ran out.
};

struct PutAnswer {
  enum class Outcome : std::uint8_t {
    Stored,     ///< New or newer record.
    Unchanged,  ///< The same bytes as kept. The lease is renewed all the same, health stays.
    Conflict,   ///< Lower seq, or the same with other bytes. Nothing changed.
  };
  Outcome outcome = Outcome::Stored;
  Bytes kept_record;           ///< Conflict: what is kept.
  std::uint64_t projects = 0;  ///< Keys listed for it.
  Health health;               ///< As kept now.
};

struct ProjectsChange {
  std::uint64_t projects = 0;  ///< Keys listed now.
  /// Not listed: they have hosts_per_key_max hosts already. In order of key, each once.
  std::vector<DiscoveryKey> refused;
};

/// One line of a key's hosting set.
struct Hosting {
  PublicKey id;
  std::uint64_t generation = 0;
  std::optional<registration::KeyholderProof> proof;  ///< As stored; may be expired.
  friend bool operator==(Hosting const&, Hosting const&) = default;
};

/// Everything listed for a key. Lines of a replicator that is unknown, or of a generation that is
/// not its own, are left overs: they do not count.
struct HostingSet {
  std::uint64_t now_unix_ms = 0;  ///< Store time.
  std::vector<Hosting> lines;     ///< In no order that means anything.
  bool recovering =
      false;  ///< The store lost its data less than a lease ago: "unknown" means little.
};

struct NonceState {
  Hash secret;                    ///< Made by the store, and lost with it.
  std::uint64_t now_unix_ms = 0;  ///< Store time.
};

/// Recent: what this instance read before will do (registry/nonce.h says where that is right).
enum class Freshness : std::uint8_t { Now, Recent };

/// A nonce that was checked and is to be marked as used.
struct NonceUse {
  Hash secret;       ///< It was made under this one.
  std::string name;  ///< What names it, at most 64 bytes.
  Duration life;     ///< How long it must be remembered.
};

/// Who is to take on a key that nobody hosts.
struct Claim {
  PublicKey id;
  Duration left{0};
  bool is_mine = false;  ///< This very call made it so. Why: exactly one caller goes on to assign.
};

struct Assignments {
  std::uint64_t cursor = 0;  ///< Give as `after` next time.
  std::vector<DiscoveryKey> keys;
};

/// A client that announced itself for a key.
struct PeerEndpoint {
  std::string host;
  std::uint16_t port = 0;
  friend bool operator==(PeerEndpoint const&, PeerEndpoint const&) = default;
};

/// Small values that all instances share.
enum class SharedKind : std::uint8_t { Ban, Invite, Quota, TicketKeys, Guard, Instance };
inline constexpr std::size_t kSharedKindCount = 6;

struct Shared {
  std::string name;
  std::string value;
  std::optional<Duration> left;  ///< Nothing: for ever.
  friend bool operator==(Shared const&, Shared const&) = default;
};

/// Told of every change in the store, by whichever instance made it.
///
/// Rules:
///  1. Called on threads of the store's own or on those of its callers, one call at a time. A
///     watcher neither blocks nor calls the store, nor are its locks held where the store is called.
///  2. on_lost() comes whenever messages may have been missed (a connection lost, a ping missed).
///     Then, once all is known again, on_table(). In between, what was told before is "last known":
///     changes may be told or not.
///  3. Messages may repeat what is known already, and name what was never read.
class StoreWatcher {
 public:
  virtual ~StoreWatcher() = default;
  virtual void on_lost() = 0;
  /// `all`: also those whose lease ran out and who are not forgotten yet.
  virtual void on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                        bool recovering) = 0;
  /// New or changed record, health or generation. `entry` is whole, but for projects.
  virtual void on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) = 0;
  virtual void on_renewed(PublicKey const& id, registration::ReplicatorState state,
                          registration::LoadFigures const& load, Duration lease_left,
                          std::uint64_t now_unix_ms) = 0;
  /// Left, or was forgotten.
  virtual void on_gone(PublicKey const& id) = 0;
  /// A hosting set has changed: forget it. Comes for every change that happened after a
  /// hosting_of() began which began after the last on_table().
  virtual void on_hosting(DiscoveryKey const& key) = 0;
  /// Something was assigned to it.
  virtual void on_assignment(PublicKey const& id) = 0;
  /// Some value of this kind was put or taken. None is told of when it merely ran out.
  virtual void on_shared(SharedKind kind) = 0;
};

/// What a replicator asks for when it renews its lease.
struct Renewal {
  PublicKey id;
  registration::RenewRequest request;
  std::optional<NonceUse> nonce;
};

/// Who is registered, with which keys, until when.
///
/// Rules (tests/contract/discovery_store holds every store to them):
///  1. Time is the store's. Why: one instance's wrong clock must matter nowhere.
///  2. A lease is data: judged whenever it is read, over at its very millisecond.
///  3. A replicator whose lease ran out is "unknown" to renew and change_projects, so that it
///     registers again; its record and keys are kept for forget_after, so that look-ups can tell
///     "not now" from "never", and a seq cannot be rolled back meanwhile.
///  4. Everything is soft state: after losing it all, the same calls build it up again.
///  5. What a call changes of one replicator, and what it changes of one key's hosting set, happens
///     whole or not at all; both together are steps in this order: replicator, hosting sets. When
///     that breaks off, the replicator's count differs from what it lists, and it sends its keys
///     again. Why: a store spread over servers has no transaction over two of them.
///  6. What a caller passes was verified before (record and proof signatures, request signature).
///  7. A write that arrives long after its call was given up changes nothing: it is refused by the
///     store's time. Why: an instance or a Redis that stalled must not renew a lease, or list a
///     key, that the replicator has given up meanwhile.
/// Thread-safe. Errors of every call: Unavailable (time-out, connection), within 300 ms (a call
/// that walks over many replicators: per thousand of them).
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  /// Puts a record in place, makes the replicator active and grants a lease from now.
  /// `health`: what is kept with a new or newer record; the same bytes keep what is there.
  /// Errors: LimitExceeded (replicators_max), Denied (another id that begins alike is registered).
  virtual Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                             std::string_view observed_host,
                                             Health const& health) = 0;
  /// As above, for services that do not test: what registers has passed.
  Result<PutAnswer> put_registration(registration::SignedRecord const& record,
                                     std::string_view observed_host) {
    Health health;
    health.self_test = SelfTest::Passed;
    return put_registration(record, observed_host, health);
  }

  /// For each: uses up the nonce, grants a lease from now, and keeps state and load. In order, each
  /// whatever becomes of the others; one round trip for all that are on one server.
  /// Returns: as many results, in the same order; without signed_record and observed_host, which are as they were.
  /// Errors of each: Denied (as of spend_nonce; nothing else changed), NotFound (no live lease).
  virtual std::vector<Result<ReplicatorEntry>> renew_all(std::vector<Renewal> const& renewals) = 0;
  Result<ReplicatorEntry> renew(PublicKey const& id, registration::RenewRequest const& request,
                                std::optional<NonceUse> const& nonce = std::nullopt) {
    return std::move(renew_all({Renewal{id, request, nonce}}).front());
  }

  /// Errors: NotFound (nothing is kept of it).
  virtual Result<void> set_health(PublicKey const& id, Health const& health) = 0;

  /// Forgets all keys (if replace), removes, then adds. Adding a key again replaces its proof. A
  /// full hosting set takes a line with a proof in place of one without. What is added leaves the
  /// replicator's assignments.
  /// `keys_max`: how many keys this replicator may list once all is applied. One that lists more
  /// already, because this was more before, may say again what it lists.
  /// Errors: NotFound (no live lease), LimitExceeded (new keys beyond keys_max, batch): nothing
  /// changed.
  virtual Result<ProjectsChange> change_projects(PublicKey const& id,
                                                 registration::ProjectsRequest const& request,
                                                 std::uint64_t keys_max) = 0;
  Result<ProjectsChange> change_projects(PublicKey const& id,
                                         registration::ProjectsRequest const& request) {
    return change_projects(id, request, options().projects_per_replicator_max);
  }

  /// Forgets a replicator and its keys at once.
  /// Errors: NotFound (nothing was kept of it).
  virtual Result<void> deregister(PublicKey const& id) = 0;

  /// One round trip.
  virtual Result<HostingSet> hosting_of(DiscoveryKey const& key) = 0;

  /// Live leases in order of id, behind `after`; at most `limit`.
  virtual Result<std::vector<ReplicatorEntry>> list(std::optional<PublicKey> after,
                                                    std::size_t limit) = 0;

  /// Also one whose lease ran out, until it is forgotten (lease_left is 0).
  /// Errors: NotFound.
  virtual Result<ReplicatorEntry> find(PublicKey const& id) = 0;

  /// Secret and time for making and checking nonces (registry/nonce.h).
  virtual Result<NonceState> nonce_state(Freshness freshness) = 0;
  Result<NonceState> nonce_state() { return nonce_state(Freshness::Now); }

  /// Marks a nonce as used by `id`, if the store's secret still is the one it was made under.
  /// Errors: Denied (used before, or another secret), Unavailable also when too many are in use.
  virtual Result<void> spend_nonce(PublicKey const& id, NonceUse const& nonce) = 0;

  /// Store time, Unix milliseconds. Also the health check.
  virtual Result<std::uint64_t> now_unix_ms() = 0;

  /// Makes `id` the one that is to take on `key`, if nobody is, or if `instead_of` is.
  /// Returns: who it is now.
  virtual Result<Claim> claim(DiscoveryKey const& key, PublicKey const& id,
                              std::optional<PublicKey> const& instead_of, Duration life) = 0;

  /// Adds `key` to what the replicator is asked to take on. It leaves again when the replicator
  /// lists it or `life` is over. Assigning it again makes it new.
  /// Errors: NotFound (no live lease), LimitExceeded (assignments_per_replicator_max).
  virtual Result<void> assign(PublicKey const& id, DiscoveryKey const& key, Duration life) = 0;

  /// Assignments behind the cursor `after` (0: all), in order; at most `limit`. Cursors grow, also
  /// over the loss of all data. The cursor of an empty answer is `after`.
  virtual Result<Assignments> assignments_of(PublicKey const& id, std::uint64_t after,
                                             std::size_t limit) = 0;

  /// When there are peers_per_key_max, the one whose life ends first makes room.
  virtual Result<void> announce_peer(DiscoveryKey const& key, PeerEndpoint const& peer,
                                     Duration life) = 0;
  virtual Result<std::vector<PeerEndpoint>> peers_of(DiscoveryKey const& key) = 0;

  /// `life`: nothing is for ever (as long as the store keeps its data).
  /// Returns: whether it was put; false only if `only_if_absent` and there is one.
  /// Errors: LimitExceeded (name, value, shared_per_kind_max).
  virtual Result<bool> put_shared(SharedKind kind, std::string_view name, std::string_view value,
                                  std::optional<Duration> life, bool only_if_absent) = 0;
  /// Removes it. Returns: its value, to exactly one of several callers.
  virtual Result<std::optional<std::string>> take_shared(SharedKind kind,
                                                         std::string_view name) = 0;
  /// In order of name.
  virtual Result<std::vector<Shared>> list_shared(SharedKind kind) = 0;

  /// From now on `watcher` is told; on_table() comes as soon as the store answers. Once, before
  /// other calls. The watcher outlives the store.
  virtual void watch(StoreWatcher& watcher) = 0;

  virtual StoreOptions const& options() const = 0;
};

}  // namespace holdfast::discovery
