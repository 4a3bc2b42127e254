#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace holdfast::net {

/// Where to listen or to dial: a host (name or IP literal, without brackets) and a TCP port.
struct Address {
  std::string host;
  std::uint16_t port = 0;  ///< 0 means any, when listening.
  friend auto operator<=>(Address const&, Address const&) = default;
};

/// Reads "host:port" and "[2001:db8::1]:4838".
/// Errors: Malformed if a half is missing, the port is above 65535, or an IPv6 literal lacks its
/// brackets.
Result<Address> parse_address(std::string_view text);
/// With brackets where the host is an IPv6 literal.
std::string to_text(Address const& address);

}  // namespace holdfast::net
