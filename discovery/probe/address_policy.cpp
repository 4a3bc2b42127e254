#include "discovery/probe/address_policy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

struct Range {
  std::string_view network;
  AddressClass what;
};

// The first that contains an address decides; so what is stricter stands before what is wider.
constexpr std::array kRanges = {
    Range{"169.254.169.254/32", AddressClass::Metadata},  // Most clouds.
    Range{"169.254.170.2/32", AddressClass::Metadata},    // AWS ECS.
    Range{"169.254.170.23/32", AddressClass::Metadata},   // AWS EKS.
    Range{"169.254.0.23/32", AddressClass::Metadata},     // Tencent.
    Range{"100.100.100.200/32", AddressClass::Metadata},  // Alibaba.
    Range{"168.63.129.16/32", AddressClass::Metadata},    // Azure; a public address.
    Range{"192.0.0.192/32", AddressClass::Metadata},      // Oracle.
    Range{"0.0.0.0/32", AddressClass::Unspecified},
    Range{"0.0.0.0/8", AddressClass::Unspecified},  // "This network"; Linux takes it for this host.
    Range{"10.0.0.0/8", AddressClass::Private},
    Range{"100.64.0.0/10", AddressClass::CarrierNat},
    Range{"127.0.0.0/8", AddressClass::Loopback},
    Range{"169.254.0.0/16", AddressClass::LinkLocal},
    Range{"172.16.0.0/12", AddressClass::Private},
    Range{"192.0.2.0/24", AddressClass::Documentation},
    Range{"192.0.0.0/24", AddressClass::Reserved},
    Range{"192.31.196.0/24", AddressClass::Reserved},
    Range{"192.52.193.0/24", AddressClass::Reserved},
    Range{"192.88.99.0/24", AddressClass::Reserved},
    Range{"192.168.0.0/16", AddressClass::Private},
    Range{"192.175.48.0/24", AddressClass::Reserved},
    Range{"198.18.0.0/15", AddressClass::Benchmarking},
    Range{"198.51.100.0/24", AddressClass::Documentation},
    Range{"203.0.113.0/24", AddressClass::Documentation},
    Range{"224.0.0.0/4", AddressClass::Multicast},
    Range{"255.255.255.255/32", AddressClass::Multicast},
    Range{"240.0.0.0/4", AddressClass::Reserved},
    Range{"fd00:ec2::/32", AddressClass::Metadata},           // AWS: ::254 and its neighbours.
    Range{"fd20:ce::254/128", AddressClass::Metadata},        // Google.
    Range{"fd00:c1::a9fe:a9fe/128", AddressClass::Metadata},  // Oracle.
    Range{"fe80::a9fe:a9fe/128", AddressClass::Metadata},     // OpenStack.
    Range{"::/128", AddressClass::Unspecified},
    Range{"::1/128", AddressClass::Loopback},
    Range{"64:ff9b:1::/48", AddressClass::Reserved},  // NAT64 for local use: routed anywhere.
    Range{"100::/64", AddressClass::Reserved},
    Range{"2001:2::/48", AddressClass::Benchmarking},
    Range{"2001:db8::/32", AddressClass::Documentation},
    Range{"3fff::/20", AddressClass::Documentation},
    Range{"5f00::/16", AddressClass::Reserved},
    Range{"fc00::/7", AddressClass::Private},
    Range{"fe80::/10", AddressClass::LinkLocal},
    Range{"fec0::/10", AddressClass::Private},
    Range{"ff00::/8", AddressClass::Multicast},
};
constexpr std::string_view kTeredo = "2001::/32";
constexpr std::string_view kProtocolAssignments = "2001::/23";
constexpr std::string_view kGlobalUnicast = "2000::/3";
constexpr std::string_view kNat64 = "64:ff9b::/96";
constexpr std::string_view kCompatible = "::/96";

IpNetwork network(std::string_view text) {
  Result<IpNetwork> const parsed = IpNetwork::parse(text);
  HOLDFAST_CHECK(parsed.ok());
  return *parsed;
}

struct ParsedRange {
  IpNetwork network;
  AddressClass what;
};

std::vector<ParsedRange> const& ranges() {
  static std::vector<ParsedRange> const kParsed = [] {
    std::vector<ParsedRange> out;
    out.reserve(std::size(kRanges));
    for (Range const& range : kRanges) out.push_back({network(range.network), range.what});
    return out;
  }();
  return kParsed;
}

IpAddress v4_at(IpAddress const& address, std::size_t offset, Byte flip = 0) {
  auto const byte = [&](std::size_t i) {
    return static_cast<Byte>(address.bytes.at(offset + i) ^ flip);
  };
  return IpAddress::v4({byte(0), byte(1), byte(2), byte(3)});
}

/// IPv4 addresses inside an IPv6 one.
std::vector<IpAddress> inner_of(IpAddress const& address) {
  static IpNetwork const kTeredoNetwork = network(kTeredo);
  static IpNetwork const kNat64Network = network(kNat64);
  static IpNetwork const kCompatibleNetwork = network(kCompatible);
  if (address.is_v4()) return {};
  if (address.bytes[0] == 0x20 && address.bytes[1] == 0x02) return {v4_at(address, 2)};  // 6to4
  if (kNat64Network.contains(address) || kCompatibleNetwork.contains(address))
    return {v4_at(address, 12)};
  if (kTeredoNetwork.contains(address)) return {v4_at(address, 4), v4_at(address, 12, 0xff)};
  bool const isatap = (address.bytes[8] & 0xfcu) == 0 && address.bytes[9] == 0 &&
                      address.bytes[10] == 0x5e && address.bytes[11] == 0xfe;
  if (isatap) return {v4_at(address, 12)};
  return {};
}

std::optional<AddressClass> listed_class(IpAddress const& address) {
  for (ParsedRange const& range : ranges()) {
    if (range.network.contains(address)) return range.what;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(AddressClass what) {
  switch (what) {
    case AddressClass::Public:
      return "public";
    case AddressClass::Unspecified:
      return "unspecified";
    case AddressClass::Loopback:
      return "loopback";
    case AddressClass::Private:
      return "private";
    case AddressClass::LinkLocal:
      return "link-local";
    case AddressClass::CarrierNat:
      return "carrier-grade NAT";
    case AddressClass::Multicast:
      return "multicast";
    case AddressClass::Documentation:
      return "documentation";
    case AddressClass::Benchmarking:
      return "benchmarking";
    case AddressClass::Metadata:
      return "metadata";
    case AddressClass::Reserved:
      return "reserved";
  }
  HOLDFAST_CHECK(false);
}

// NOLINTNEXTLINE(misc-no-recursion): what is embedded is IPv4 and embeds nothing.
AddressClass class_of(IpAddress const& address) {
  if (std::optional<AddressClass> const listed = listed_class(address); listed) return *listed;
  if (address.is_v4()) return AddressClass::Public;
  std::vector<IpAddress> const inner = inner_of(address);
  for (IpAddress const& each : inner) {
    if (AddressClass const what = class_of(each); what != AddressClass::Public) return what;
  }
  static IpNetwork const kAssignments = network(kProtocolAssignments);
  static IpNetwork const kGlobal = network(kGlobalUnicast);
  static IpNetwork const kNat64Network = network(kNat64);
  if (kNat64Network.contains(address)) return AddressClass::Public;
  // What IANA has not given out as global unicast is nobody's node.
  if (!kGlobal.contains(address)) return AddressClass::Reserved;
  if (inner.empty() && kAssignments.contains(address)) return AddressClass::Reserved;
  return AddressClass::Public;
}

AddressPolicy::AddressPolicy(std::vector<IpNetwork> allow, std::vector<IpAddress> own)
    : allow_(std::move(allow)), own_(std::move(own)) {}

bool AddressPolicy::is_lab(IpAddress const& address) const {
  return std::any_of(allow_.begin(), allow_.end(),
                     [&](IpNetwork const& range) { return range.contains(address); });
}

AddressPolicy::Verdict AddressPolicy::check(IpAddress const& address) const {
  if (is_lab(address)) return Verdict::Allowed;
  if (class_of(address) != AddressClass::Public) return Verdict::Refused;
  if (std::find(own_.begin(), own_.end(), address) != own_.end()) return Verdict::OwnAddress;
  return Verdict::Allowed;
}

}  // namespace holdfast::discovery
