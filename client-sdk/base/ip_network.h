#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

/// An IP address as 16 bytes in network order. IPv4 is kept as IPv4 in IPv6 (::ffff:a.b.c.d), so that both spellings of
/// one address are equal.
struct IpAddress {
  std::array<Byte, 16> bytes{};

  /// Reads a literal: four decimal numbers without leading zeros, or RFC 4291 text. No brackets, port or zone.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress v4(std::array<Byte, 4> const& octets);
  bool is_v4() const;
  friend auto operator<=>(IpAddress const&, IpAddress const&) = default;
};

/// IPv4 as four numbers; IPv6 as RFC 5952 wants it.
std::string to_string(IpAddress const& address);

/// The address with all bits behind the first `prefix_bits` cleared; for IPv4 they count within its own 32 bits.
IpAddress network_of(IpAddress const& address, unsigned prefix_bits);

/// A range of addresses in CIDR notation: "10.0.0.0/8", "fd00::/8"; a single address is a /32 or /128.
class IpNetwork {
 public:
  /// Errors: Malformed (also for a prefix that is too long, and for bits that are set behind it: "10.0.0.1/8").
  static Result<IpNetwork> parse(std::string_view text);

  /// IPv4 in IPv6 counts as IPv4. An IPv6 network never contains an IPv4 address, nor the other way round; "::/0" is
  /// no exception.
  bool contains(IpAddress const& address) const;
  std::string text() const;
  friend bool operator==(IpNetwork const&, IpNetwork const&) = default;

 private:
  IpNetwork(IpAddress const& first, unsigned prefix_bits)
      : first_(first), prefix_bits_(prefix_bits) {}

  IpAddress first_;
  unsigned prefix_bits_;  ///< Of 32 for IPv4, of 128 for IPv6.
};

}  // namespace holdfast
