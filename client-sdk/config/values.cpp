#include "config/values.h"

#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace holdfast {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 5> kTimeUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::uint64_t kDurationMax = 100ULL * 366 * 86'400'000;

constexpr std::array<Unit, 10> kSizeUnits{{{"TiB", 1ULL << 40},
                                           {"GiB", 1ULL << 30},
                                           {"MiB", 1ULL << 20},
                                           {"KiB", 1ULL << 10},
                                           {"", 1},
                                           {"B", 1},
                                           {"KB", 1'000},
                                           {"MB", 1'000'000},
                                           {"GB", 1'000'000'000},
                                           {"TB", 1'000'000'000'000}}};
constexpr std::uint64_t kSizeMax = std::numeric_limits<std::int64_t>::max();

std::optional<std::uint64_t> parse_number(std::string_view digits) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// A number directly followed by one of the units; nothing if it is not that or the product exceeds
/// `max`.
template <std::size_t N>
std::optional<std::uint64_t> parse_quantity(std::string_view text, std::array<Unit, N> const& units,
                                            std::uint64_t max) {
  std::size_t const digits = text.find_first_not_of("0123456789");
  std::optional<std::uint64_t> const number = parse_number(text.substr(0, digits));
  std::string_view const name =
      digits == std::string_view::npos ? std::string_view() : text.substr(digits);
  if (!number) return std::nullopt;
  for (Unit const& unit : units) {
    if (unit.name != name) continue;
    if (*number > max / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

/// `units` go from large to small; the first that divides wins.
template <std::size_t N>
std::string quantity_text(std::uint64_t value, std::array<Unit, N> const& units) {
  for (Unit const& unit : units) {
    if (value != 0 && value % unit.factor == 0)
      return std::to_string(value / unit.factor) + std::string(unit.name);
  }
  return "0";
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::optional<std::uint64_t> const value = parse_quantity(text, kTimeUnits, kDurationMax);
  if (!value)
    return Unexpected(ErrorCode::Malformed,
                      "not a duration such as 250ms, 60s, 5m, 12h or 30d: " + std::string(text));
  return Duration(static_cast<std::int64_t>(*value));
}

std::string to_text(Duration duration) {
  if (duration.count() <= 0) return "0ms";
  return quantity_text(static_cast<std::uint64_t>(duration.count()), kTimeUnits);
}

Result<ByteSize> parse_byte_size(std::string_view text) {
  std::optional<std::uint64_t> const value = parse_quantity(text, kSizeUnits, kSizeMax);
  if (!value)
    return Unexpected(ErrorCode::Malformed,
                      "not a size such as 64KiB, 512MiB or 10GiB: " + std::string(text));
  return ByteSize{*value};
}

std::string to_text(ByteSize size) { return quantity_text(size.bytes, kSizeUnits); }

Result<HostPort> parse_host_port(std::string_view text) {
  Unexpected const malformed(ErrorCode::Malformed,
                             "not HOST:PORT (or [IPV6]:PORT): " + std::string(text));
  std::size_t const colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return malformed;
  std::string_view host = text.substr(0, colon);
  std::optional<std::uint64_t> const port = parse_number(text.substr(colon + 1));
  if (!port || *port > 65'535) return malformed;
  bool const bracketed = host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("[]/@ \t") != std::string_view::npos) return malformed;
  if (bracketed != (host.find(':') != std::string_view::npos)) return malformed;
  return HostPort{std::string(host), static_cast<std::uint16_t>(*port)};
}

std::string to_text(HostPort const& address) {
  bool const v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace holdfast
