#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace holdfast {

/// A number of bytes, as a type of its own so that it is printed and read with a unit.
struct ByteSize {
  std::uint64_t bytes = 0;
  friend auto operator<=>(ByteSize const&, ByteSize const&) = default;
};

/// A host (name or IP literal, without brackets) and a port.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;  ///< 0 means any, where the flag allows it.
  friend auto operator<=>(HostPort const&, HostPort const&) = default;
};

/// Reads "250ms", "60s", "1m", "12h", "30d".
/// Errors: Malformed without a unit, with a sign or fraction, or above 100 years.
Result<Duration> parse_duration(std::string_view text);
/// The shortest text that parse_duration reads back as the same value.
std::string to_text(Duration duration);

/// Reads "512", "64KiB", "10GiB", "1TiB" (also B; decimal units KB, MB, GB, TB mean powers of
/// 1,000). Errors: Malformed with any other unit, a fraction, or if the number does not fit in 63
/// bits.
Result<ByteSize> parse_byte_size(std::string_view text);
std::string to_text(ByteSize size);

/// Reads "host:port", "192.0.2.1:8443" and "[2001:db8::1]:8443".
/// Errors: Malformed if either half is missing, the port is above 65535, or an IPv6 literal lacks
/// its brackets.
Result<HostPort> parse_host_port(std::string_view text);
/// With brackets where the host is an IPv6 literal.
std::string to_text(HostPort const& address);

}  // namespace holdfast
