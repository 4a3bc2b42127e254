#include "net/address.h"

#include <charconv>

namespace holdfast::net {

Result<Address> parse_address(std::string_view text) {
  std::size_t const colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return Unexpected(ErrorCode::Malformed, "an address is written host:port");
  }
  std::string_view host = text.substr(0, colon);
  std::string_view const digits = text.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return Unexpected(ErrorCode::Malformed, "an IPv6 address is written [address]:port");
  }
  if (host.empty() || host.size() > 255) {
    return Unexpected(ErrorCode::Malformed, "the host of an address is empty or too long");
  }
  std::uint16_t port = 0;
  auto const [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || problem != std::errc{} || end != digits.data() + digits.size()) {
    return Unexpected(ErrorCode::Malformed, "the port of an address is a number up to 65535");
  }
  return Address{std::string(host), port};
}

std::string to_text(Address const& address) {
  bool const v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace holdfast::net
