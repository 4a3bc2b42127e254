#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::replicator {

inline constexpr char kBlindPeerProtocol[] = "blind-peer";
inline constexpr std::uint64_t kBlindPeerCoresType = 0;

/// "Please keep these cores": message 0 of the Protomux protocol `blind-peer`, as unmodified clients send it.
struct NamedCores {
  std::optional<CoreKey>
      referrer;  ///< The core that the others belong to, e.g. an Autobase's bootstrap core.
  std::uint64_t priority = 0;
  std::vector<CoreKey> cores;
};

/// `cores_max`: more in one message is refused.
/// Errors: Malformed, LimitExceeded.
/// Source: SPEC section 11; blind-peer-muxer 1.2.0 as measured in apps.json.
Result<NamedCores> decode_named_cores(ByteView body, std::size_t cores_max);

}  // namespace holdfast::replicator
