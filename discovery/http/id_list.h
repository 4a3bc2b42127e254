#pragma once

#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/ip_network.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::discovery {

/// Replicators and networks that an operator named in a file: one id (hex or z-base-32), address or CIDR range to a
/// line; empty lines and what follows a '#' are left out.
struct IdList {
  static constexpr std::size_t kEntriesMax = 100'000;

  std::set<PublicKey> ids;
  std::vector<IpNetwork> networks;

  bool has(PublicKey const& id, std::optional<IpAddress> const& source) const;
};

/// Errors: Malformed (names the line), LimitExceeded.
Result<IdList> parse_id_list(std::string_view text);

/// Reads "10.0.0.0/8", or a single address as a range of its own. Errors: Malformed.
Result<IpNetwork> parse_network_or_address(std::string_view text);

}  // namespace holdfast::discovery
