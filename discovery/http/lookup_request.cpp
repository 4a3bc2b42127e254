#include "discovery/http/lookup_request.h"

#include <array>
#include <charconv>

#include "codec/key_text.h"
#include "registration/api.h"

namespace holdfast::discovery {

namespace {

struct HexDigits {
  std::array<std::uint8_t, 256> value{};
  constexpr HexDigits() {
    for (std::uint8_t& each : value) each = 0xff;
    for (std::size_t i = 0; i < 10; ++i) value['0' + i] = static_cast<std::uint8_t>(i);
    for (std::size_t i = 0; i < 6; ++i) {
      value['a' + i] = static_cast<std::uint8_t>(10 + i);
      value['A' + i] = static_cast<std::uint8_t>(10 + i);
    }
  }
};
constexpr HexDigits kDigits;

/// As parse_key() for hex, without allocating.
template <typename Key>
std::optional<Key> plain_key(std::string_view text) {
  if (text.size() != 64) return std::nullopt;
  Key out;
  unsigned wrong = 0;
  for (std::size_t i = 0; i < 32; ++i) {
    unsigned const high = kDigits.value[static_cast<unsigned char>(text[2 * i])];
    unsigned const low = kDigits.value[static_cast<unsigned char>(text[2 * i + 1])];
    wrong |= high | low;
    out.bytes[i] = static_cast<Byte>(high << 4 | low);
  }
  if (wrong > 15) return std::nullopt;
  return out;
}

std::optional<Duration> wait_of(std::string_view text) {
  std::uint64_t seconds = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds > kLookupWaitMaxS) {
    return std::nullopt;
  }
  return Duration(static_cast<Duration::rep>(seconds) * 1'000);
}

/// One name=value of a plain query. Returns: whether it is as it should be.
bool read_plain_item(std::string_view name, std::string_view value, unsigned& seen,
                     LookupRequest& out) {
  constexpr std::array<std::string_view, 6> kNames = {"region", "transport", "keyholder",
                                                      "wait",   "trace",     "peers"};
  std::size_t at = 0;
  while (at < kNames.size() && kNames[at] != name) ++at;
  if (at == kNames.size()) return true;
  if ((seen & 1U << at) != 0) return false;
  seen |= 1U << at;
  switch (at) {
    case 0:
      out.has_region = true;
      out.query.region.label = value;
      return value.size() <= registration::kLabelBytesMax;
    case 1:
      out.query.transport = registration::transport_from_name(value);
      return out.query.transport.has_value();
    case 2:
      out.query.keyholder = plain_key<PublicKey>(value);
      return out.query.keyholder.has_value();
    case 3: {
      std::optional<Duration> const wait = wait_of(value);
      if (wait) out.wait = *wait;
      return wait.has_value();
    }
    default:
      return false;
  }
}

}  // namespace

std::optional<std::string> read_lookup_query(HttpRequest const& request, LookupRequest& out) {
  if (std::optional<std::string> label = request.query_value("region"); label) {
    out.has_region = true;
    out.query.region.label = *std::move(label);
  }
  if (out.query.region.label.size() > registration::kLabelBytesMax) return "region is too long";
  if (std::optional<std::string> const name = request.query_value("transport"); name) {
    out.query.transport = registration::transport_from_name(*name);
    if (!out.query.transport) return "transport is tcp or ws";
  }
  if (std::optional<std::string> const text = request.query_value("keyholder"); text) {
    Result<PublicKey> const key = parse_key_as<PublicKey>(*text);
    if (!key) return "keyholder is not a public key";
    out.query.keyholder = *key;
  }
  if (std::optional<std::string> const text = request.query_value("wait"); text) {
    std::optional<Duration> const wait = wait_of(*text);
    if (!wait) return "wait is a number of seconds from 0 to 60";
    out.wait = *wait;
  }
  out.with_trace = request.query_value("trace") == "1";
  out.with_peers = request.query_value("peers") == "1";
  return std::nullopt;
}

std::optional<LookupRequest> read_plain_lookup(std::string_view key, std::string_view query) {
  LookupRequest out;
  std::optional<DiscoveryKey> const parsed = plain_key<DiscoveryKey>(key);
  if (!parsed) return std::nullopt;
  out.query.key = *parsed;
  unsigned seen = 0;
  while (!query.empty()) {
    std::size_t const end = query.find('&');
    std::string_view const item = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    std::size_t const equals = item.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    if (!read_plain_item(item.substr(0, equals), item.substr(equals + 1), seen, out)) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace holdfast::discovery
