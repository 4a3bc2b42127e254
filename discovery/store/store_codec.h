#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "discovery/registry/record_store.h"
#include "discovery/store/redis_keys.h"

namespace holdfast::discovery {

/// Values as Redis holds them (docs/formats/redis.md). Readers take any bytes: another service, or
/// another version of ours, may have written there.

/// A line of a hosting set. Numbers big-endian.
///   prefix of the id (16), generation (6; its top bit: a proof follows),
///   then keyholder (32), signature (64), expiry (6).
/// One set with one proven line fits an allocation of 128 bytes.
inline constexpr std::size_t kLineBytes = 22;
inline constexpr std::size_t kProvenLineBytes = 124;
inline constexpr std::uint64_t kGenerationMax = (std::uint64_t{1} << 47) - 1;

struct HostingLine {
  IdPrefix prefix;
  std::uint64_t generation = 0;
  std::optional<registration::KeyholderProof> proof;
  friend bool operator==(HostingLine const&, HostingLine const&) = default;
};
/// A proof that ends after 2^48 seconds is left out. Requires: generation <= kGenerationMax.
std::string encode_line(HostingLine const& line);
/// Errors: Malformed (cut short).
Result<std::vector<HostingLine>> decode_lines(std::string_view bytes);

std::string encode_load(registration::LoadFigures const& load);
registration::LoadFigures decode_load(std::string_view bytes);
std::string encode_health(Health const& health);
Health decode_health(std::string_view bytes);

/// What scripts publish.
struct EntryEvent {
  ReplicatorEntry entry;  ///< But for projects.
};
struct RenewedEvent {
  PublicKey id;
  registration::ReplicatorState state = registration::ReplicatorState::Active;
  registration::LoadFigures load;
  Duration lease_left{0};
};
struct GoneEvent {
  PublicKey id;
};
struct AssignmentEvent {
  PublicKey id;
};
struct SharedEvent {
  SharedKind kind = SharedKind::Ban;
};
struct StoreEvent {
  std::uint64_t now_unix_ms = 0;
  std::variant<EntryEvent, RenewedEvent, GoneEvent, AssignmentEvent, SharedEvent> what;
};
/// Errors: Malformed.
Result<StoreEvent> decode_event(std::string_view bytes);

}  // namespace holdfast::discovery
