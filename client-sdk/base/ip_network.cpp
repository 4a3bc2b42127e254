#include "base/ip_network.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace holdfast {

namespace {

constexpr std::size_t kV4At =
    12;  // Where the four octets of an IPv4 address stand in the 16 bytes.
constexpr std::size_t kGroups = 8;

/// Up to `digits_max` digits of `base` at the front of `text`, which are then taken off.
std::optional<unsigned> take_number(std::string_view& text, std::size_t digits_max, int base) {
  unsigned value = 0;
  char const* const begin = text.data();
  char const* const end = begin + std::min(text.size(), digits_max);
  auto const [stop, error] = std::from_chars(begin, end, value, base);
  if (error != std::errc() || stop == begin) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - begin));
  return value;
}

std::optional<std::array<Byte, 4>> parse_v4(std::string_view text) {
  std::array<Byte, 4> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    bool const leading_zero = text.size() > 1 && text[0] == '0' && text[1] != '.';
    std::optional<unsigned> const octet = take_number(text, 3, 10);
    if (!octet || *octet > 255 || leading_zero) return std::nullopt;
    octets[i] = static_cast<Byte>(*octet);
  }
  if (!text.empty()) return std::nullopt;
  return octets;
}

/// Groups of IPv6 text on one side of "::"; an IPv4 tail counts as two.
struct Groups {
  std::array<unsigned, kGroups> values{};
  std::size_t count = 0;

  bool add(unsigned value) {
    if (count == kGroups) return false;
    values[count++] = value;
    return true;
  }
};

/// `text`: groups with ':' between them; empty is no group.
bool parse_groups(std::string_view text, bool v4_tail_allowed, Groups& out) {
  while (!text.empty()) {
    if (v4_tail_allowed && text.find(':') == std::string_view::npos &&
        text.find('.') != std::string_view::npos) {
      std::optional<std::array<Byte, 4>> const tail = parse_v4(text);
      if (!tail) return false;
      return out.add(static_cast<unsigned>((*tail)[0]) << 8 | (*tail)[1]) &&
             out.add(static_cast<unsigned>((*tail)[2]) << 8 | (*tail)[3]);
    }
    std::optional<unsigned> const group = take_number(text, 4, 16);
    if (!group || !out.add(*group)) return false;
    if (text.empty()) return true;
    if (!text.starts_with(':') || text.size() == 1) return false;
    text.remove_prefix(1);
  }
  return true;
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  std::size_t const gap = text.find("::");
  Groups head;
  Groups tail;
  if (gap == std::string_view::npos) {
    if (!parse_groups(text, true, head) || head.count != kGroups) return std::nullopt;
  } else {
    // "::" stands for at least one group.
    if (!parse_groups(text.substr(0, gap), false, head) ||
        !parse_groups(text.substr(gap + 2), true, tail) || head.count + tail.count >= kGroups) {
      return std::nullopt;
    }
  }
  std::array<unsigned, kGroups> groups{};
  std::copy_n(head.values.begin(), head.count, groups.begin());
  std::copy_n(tail.values.begin(), tail.count,
              groups.end() - static_cast<std::ptrdiff_t>(tail.count));
  IpAddress address;
  for (std::size_t i = 0; i < kGroups; ++i) {
    address.bytes[2 * i] = static_cast<Byte>(groups[i] >> 8);
    address.bytes[2 * i + 1] = static_cast<Byte>(groups[i] & 0xff);
  }
  return address;
}

void append_number(std::string& to, unsigned value, int base) {
  std::array<char, 10> text{};
  auto const result = std::to_chars(text.data(), text.data() + text.size(), value, base);
  to.append(text.data(), result.ptr);
}

std::string v4_text(IpAddress const& address) {
  std::string text;
  for (std::size_t i = kV4At; i < address.bytes.size(); ++i) {
    if (i > kV4At) text += '.';
    append_number(text, address.bytes[i], 10);
  }
  return text;
}

}  // namespace

IpAddress IpAddress::v4(std::array<Byte, 4> const& octets) {
  IpAddress address;
  address.bytes[10] = address.bytes[11] = 0xff;
  std::copy(octets.begin(), octets.end(), address.bytes.begin() + kV4At);
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return parse_v6(text);
  std::optional<std::array<Byte, 4>> const octets = parse_v4(text);
  if (!octets) return std::nullopt;
  return v4(*octets);
}

bool IpAddress::is_v4() const {
  return bytes[10] == 0xff && bytes[11] == 0xff &&
         std::all_of(bytes.begin(), bytes.begin() + 10, [](Byte byte) { return byte == 0; });
}

std::string to_string(IpAddress const& address) {
  if (address.is_v4()) return v4_text(address);
  auto const group = [&address](std::size_t i) {
    return static_cast<unsigned>(address.bytes[2 * i]) << 8 | address.bytes[2 * i + 1];
  };
  // The longest run of two or more zero groups becomes "::"; of equal ones the first.
  std::size_t gap_at = kGroups;
  std::size_t gap_count = 1;
  for (std::size_t i = 0, run = 0; i < kGroups; ++i) {
    run = group(i) == 0 ? run + 1 : 0;
    if (run > gap_count) {
      gap_count = run;
      gap_at = i + 1 - run;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (i == gap_at) {
      text += "::";
      i += gap_count - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    append_number(text, group(i), 16);
  }
  return text;
}

IpAddress network_of(IpAddress const& address, unsigned prefix_bits) {
  std::size_t const keep = prefix_bits + (address.is_v4() ? 8 * kV4At : 0);
  IpAddress network = address;
  for (std::size_t i = 0; i < network.bytes.size(); ++i) {
    if (8 * (i + 1) <= keep) continue;
    std::size_t const bits = 8 * i >= keep ? 0 : keep - 8 * i;
    network.bytes[i] = static_cast<Byte>(network.bytes[i] & (0xff00u >> bits));
  }
  return network;
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  auto const fail = [text] {
    return Unexpected(ErrorCode::Malformed, "not a network like 192.0.2.0/24 or 2001:db8::/32: " +
                                                std::string(text.substr(0, 64)));
  };
  std::size_t const slash = text.find('/');
  std::optional<IpAddress> const first = IpAddress::parse(text.substr(0, slash));
  if (!first) return fail();
  // "::ffff:10.0.0.0/104" would count bits in another way than its address does.
  bool const mapped = first->is_v4() && text.find(':') != std::string_view::npos;
  unsigned prefix_bits = first->is_v4() ? 32 : 128;
  if (slash != std::string_view::npos) {
    std::string_view rest = text.substr(slash + 1);
    std::optional<unsigned> const given = take_number(rest, 3, 10);
    if (!given || !rest.empty() || *given > prefix_bits || mapped) return fail();
    prefix_bits = *given;
  }
  if (network_of(*first, prefix_bits) != *first) return fail();
  return IpNetwork(*first, prefix_bits);
}

bool IpNetwork::contains(IpAddress const& address) const {
  return address.is_v4() == first_.is_v4() && network_of(address, prefix_bits_) == first_;
}

std::string IpNetwork::text() const {
  std::string text = to_string(first_) + "/";
  append_number(text, prefix_bits_, 10);
  return text;
}

}  // namespace holdfast
