#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ip_network.h"

namespace holdfast::discovery {

/// What an address is reserved for, as far as a self-test must care.
enum class AddressClass : std::uint8_t {
  Public,
  Unspecified,
  Loopback,
  Private,
  LinkLocal,
  CarrierNat,  ///< 100.64.0.0/10
  Multicast,   ///< Broadcast too.
  Documentation,
  Benchmarking,
  Metadata,  ///< Where clouds tell a machine its secrets.
  Reserved,  ///< By IANA for anything else.
};

/// "loopback", "link-local"; for transcripts and labels.
std::string_view name_of(AddressClass what);

/// The strictest class that applies. An address that carries an IPv4 address inside (compatible, 6to4, NAT64, Teredo,
/// ISATAP) is of the inner one's class, if that is not Public: who routes it there would reach the inner one.
/// Source: IANA special-purpose address registries for IPv4 and IPv6.
AddressClass class_of(IpAddress const& address);

/// Which addresses a service may connect to on behalf of a stranger. Asked after resolution, about the very address that
/// is then dialled. Immutable; copies freely.
class AddressPolicy {
 public:
  AddressPolicy() = default;
  /// `allow`: ranges of a lab that may be reached although they are reserved. `own`: addresses of this service and what
  /// it talks to; they stay refused unless a range in `allow` has them.
  AddressPolicy(std::vector<IpNetwork> allow, std::vector<IpAddress> own);

  enum class Verdict : std::uint8_t { Allowed, Refused, OwnAddress };
  Verdict check(IpAddress const& address) const;
  /// Whether the operator opened a range with this address: no quota and no pacing applies there.
  bool is_lab(IpAddress const& address) const;

 private:
  std::vector<IpNetwork> allow_;
  std::vector<IpAddress> own_;
};

}  // namespace holdfast::discovery
