#include "serve/proxies.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <string>
#include <utility>

namespace holdfast {

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80".
std::optional<PeerAddress> read_node(std::string_view text) {
  if (text.starts_with('[')) {
    std::size_t const end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view const behind = text.substr(end + 1);
    std::optional<std::uint16_t> port = 0;
    if (!behind.empty()) port = behind[0] == ':' ? read_port(behind.substr(1)) : std::nullopt;
    if (!port) return std::nullopt;
    return make_peer(text.substr(1, end - 1), *port);
  }
  std::size_t const colon = text.find(':');
  bool const has_port = colon != std::string_view::npos && colon == text.rfind(':');
  if (!has_port) return make_peer(text, 0);
  std::optional<std::uint16_t> const port = read_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  return make_peer(text.substr(0, colon), *port);
}

/// Splits at `mark` outside of quotes.
std::vector<std::string_view> split(std::string_view text, char mark) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == mark && !quoted) {
      parts.push_back(trimmed(text.substr(start, i - start)));
      start = i + 1;
    }
  }
  parts.push_back(trimmed(text.substr(std::min(start, text.size()))));
  return parts;
}

/// The for= of one element of Forwarded.
std::optional<PeerAddress> read_forwarded(std::string_view element) {
  for (std::string_view const pair : split(element, ';')) {
    std::size_t const equals = pair.find('=');
    if (equals == std::string_view::npos || !same_name(trimmed(pair.substr(0, equals)), "for"))
      continue;
    std::string_view value = trimmed(pair.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    return read_node(value);
  }
  return std::nullopt;
}

/// `values`: of the field, in the order they came.
PeerAddress right_most(ProxyPolicy const& policy, PeerAddress const& peer,
                       std::vector<std::string_view> const& values) {
  PeerAddress client = peer;
  for (auto value = values.rbegin(); value != values.rend(); ++value) {
    std::vector<std::string_view> const hops = split(*value, ',');
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      std::optional<PeerAddress> named =
          policy.field == ForwardedField::Forwarded ? read_forwarded(*hop) : read_node(*hop);
      if (!named) return client;
      client = *std::move(named);
      if (!policy.trusts(client)) return client;
    }
  }
  return client;
}

std::string_view field_name(ProxyPolicy const& policy) {
  return policy.field == ForwardedField::Forwarded ? "forwarded" : "x-forwarded-for";
}

/// PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n
std::optional<ProxyHeader> read_version_1(std::string_view bytes) {
  constexpr std::size_t kBytesMax = 107;
  std::size_t const end = bytes.substr(0, kBytesMax).find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= kBytesMax) return std::nullopt;
    return ProxyHeader{};
  }
  std::vector<std::string_view> const words = split(bytes.substr(0, end), ' ');
  if (words.size() >= 2 && words[1] == "UNKNOWN") return ProxyHeader{end + 2, std::nullopt};
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return std::nullopt;
  std::optional<std::uint16_t> const port = read_port(words[4]);
  std::optional<PeerAddress> source = port ? make_peer(words[2], *port) : std::nullopt;
  if (!source) return std::nullopt;
  return ProxyHeader{end + 2, std::move(source)};
}

constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);

std::optional<ProxyHeader> read_version_2(std::string_view bytes) {
  constexpr std::size_t kFixedBytes = 16;
  if (bytes.size() < kFixedBytes) return ProxyHeader{};
  auto const at = [bytes](std::size_t i) {
    return static_cast<unsigned>(static_cast<Byte>(bytes[i]));
  };
  unsigned const command = at(12);
  unsigned const family = at(13);
  std::size_t const length = at(14) << 8 | at(15);
  if (command >> 4 != 2 || (command & 0xf) > 1) return std::nullopt;
  if (kFixedBytes + length > kProxyHeaderBytesMax) return std::nullopt;
  if (bytes.size() < kFixedBytes + length) return ProxyHeader{};
  ProxyHeader header{kFixedBytes + length, std::nullopt};
  bool const is_local = (command & 0xf) == 0;
  if (is_local) return header;
  bool const v4 = family == 0x11;
  bool const v6 = family == 0x21;
  std::size_t const address_bytes = v4 ? 4 : 16;
  if ((!v4 && !v6) || length < 2 * address_bytes + 4) return std::nullopt;
  IpAddress address;
  if (v4) {
    std::array<Byte, 4> octets{};
    for (std::size_t i = 0; i < 4; ++i) octets[i] = static_cast<Byte>(bytes[kFixedBytes + i]);
    address = IpAddress::v4(octets);
  } else {
    for (std::size_t i = 0; i < 16; ++i)
      address.bytes[i] = static_cast<Byte>(bytes[kFixedBytes + i]);
  }
  std::size_t const port_at = kFixedBytes + 2 * address_bytes;
  auto const port = static_cast<std::uint16_t>(at(port_at) << 8 | at(port_at + 1));
  header.source = PeerAddress{to_string(address), port, address};
  return header;
}

/// Whether `bytes` is the beginning of `whole`, or begins with it.
bool agrees(std::string_view bytes, std::string_view whole) {
  std::size_t const common = std::min(bytes.size(), whole.size());
  return bytes.substr(0, common) == whole.substr(0, common);
}

}  // namespace

bool ProxyPolicy::trusts(PeerAddress const& peer) const {
  return peer.address && std::any_of(trusted.begin(), trusted.end(), [&](IpNetwork const& network) {
           return network.contains(*peer.address);
         });
}

PeerAddress client_behind(ProxyPolicy const& policy, PeerAddress const& peer,
                          HeaderList const& headers) {
  std::vector<std::string_view> values;
  for (auto const& [name, value] : headers.fields()) {
    if (same_name(name, field_name(policy))) values.push_back(value);
  }
  return right_most(policy, peer, values);
}

PeerAddress client_behind(ProxyPolicy const& policy, PeerAddress const& peer,
                          std::span<FieldView const> fields) {
  std::vector<std::string_view> values;
  for (FieldView const& field : fields) {
    if (same_name(field.name, field_name(policy))) values.push_back(field.value);
  }
  return right_most(policy, peer, values);
}

std::optional<ProxyHeader> read_proxy_header(std::string_view bytes) {
  constexpr std::string_view kSignature1 = "PROXY ";
  if (agrees(bytes, kSignature1)) {
    if (bytes.size() < kSignature1.size()) return ProxyHeader{};
    return read_version_1(bytes);
  }
  if (agrees(bytes, kSignature2)) return read_version_2(bytes);
  return std::nullopt;
}

std::optional<PeerAddress> make_peer(std::string_view ip, std::uint16_t port) {
  std::optional<IpAddress> const address = IpAddress::parse(ip);
  if (!address) return std::nullopt;
  return PeerAddress{to_string(*address), port, address};
}

}  // namespace holdfast
