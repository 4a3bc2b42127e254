#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "crypto/keys.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// The first bytes of a replicator's id, by which hosting lines name it. A second id that begins
/// alike is refused at registration.
using IdPrefix = FixedBytes<struct IdPrefixTag, 16>;
IdPrefix prefix_of(PublicKey const& id);

/// Which of Redis Cluster's 16,384 slots a key belongs to: CRC16 of the part in its first non-empty
/// braces, or of all of it. Source: the Redis Cluster specification.
inline constexpr std::uint16_t kSlotCount = 16'384;
std::uint16_t slot_of(std::string_view key);

/// Names of keys (docs/formats/redis.md). What belongs to one replicator is in one slot.
struct ReplicatorKeys {
  explicit ReplicatorKeys(IdPrefix const& prefix);
  explicit ReplicatorKeys(PublicKey const& id) : ReplicatorKeys(prefix_of(id)) {}
  std::string record;
  std::string index;        ///< Of the keys it listed; for counting.
  std::string nonces;       ///< That it used.
  std::string assignments;  ///< By cursor.
  std::string ends;         ///< Of its assignments.
};

inline constexpr std::string_view kHostingPrefix = "holdfast:k:";
std::string hosting_key(DiscoveryKey const& key);
std::string claim_key(DiscoveryKey const& key);
std::string peers_key(DiscoveryKey const& key);

inline constexpr char kIdsKey[] = "holdfast:{meta}:ids";
inline constexpr char kEpochKey[] = "holdfast:{meta}:epoch";
inline constexpr char kSecretKey[] = "holdfast:{meta}:secret";
inline constexpr char kBeatKey[] = "holdfast:{meta}:beat";
inline constexpr char kTurnKey[] = "holdfast:{meta}:turn";
std::string shared_key(SharedKind kind);

}  // namespace holdfast::discovery
