#include "discovery/probe/address_policy.h"

#include <ostream>
#include <string>

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

IpAddress ip(std::string const& text) {
  std::optional<IpAddress> const parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress{});
}
IpNetwork net(std::string const& text) { return *IpNetwork::parse(text); }

struct RangeCase {
  std::string first;
  std::string last;
  AddressClass what;
  std::string before{};  ///< A public address that ends where the range begins; "": not public.
  std::string after{};
  friend void PrintTo(RangeCase const& range, std::ostream* out) {
    *out << range.first << " to " << range.last;
  }
};

class AddressRangeTest : public testing::TestWithParam<RangeCase> {};

TEST_P(AddressRangeTest, BothEdgesAreInsideAndTheirNeighboursAreNot) {
  RangeCase const& range = GetParam();
  EXPECT_EQ(name_of(class_of(ip(range.first))), name_of(range.what)) << range.first;
  EXPECT_EQ(name_of(class_of(ip(range.last))), name_of(range.what)) << range.last;
  for (std::string const& outside : {range.before, range.after}) {
    if (outside.empty()) continue;
    EXPECT_EQ(name_of(class_of(ip(outside))), name_of(AddressClass::Public)) << outside;
  }
  EXPECT_EQ(AddressPolicy().check(ip(range.first)), AddressPolicy::Verdict::Refused);
  EXPECT_EQ(AddressPolicy().check(ip(range.last)), AddressPolicy::Verdict::Refused);
}

using enum AddressClass;
INSTANTIATE_TEST_SUITE_P(
    V4, AddressRangeTest,
    testing::Values(
        RangeCase{"0.0.0.0", "0.255.255.255", Unspecified, "", "1.0.0.0"},
        RangeCase{"10.0.0.0", "10.255.255.255", Private, "9.255.255.255", "11.0.0.0"},
        RangeCase{"100.64.0.0", "100.127.255.255", CarrierNat, "100.63.255.255", "100.128.0.0"},
        RangeCase{"127.0.0.0", "127.255.255.255", Loopback, "126.255.255.255", "128.0.0.0"},
        RangeCase{"169.254.0.0", "169.254.255.255", LinkLocal, "169.253.255.255", "169.255.0.0"},
        RangeCase{"172.16.0.0", "172.31.255.255", Private, "172.15.255.255", "172.32.0.0"},
        RangeCase{"192.0.0.0", "192.0.0.255", Reserved, "191.255.255.255", "192.0.1.0"},
        RangeCase{"192.0.2.0", "192.0.2.255", Documentation, "192.0.1.255", "192.0.3.0"},
        RangeCase{"192.31.196.0", "192.31.196.255", Reserved, "192.31.195.255", "192.31.197.0"},
        RangeCase{"192.52.193.0", "192.52.193.255", Reserved, "192.52.192.255", "192.52.194.0"},
        RangeCase{"192.88.99.0", "192.88.99.255", Reserved, "192.88.98.255", "192.88.100.0"},
        RangeCase{"192.168.0.0", "192.168.255.255", Private, "192.167.255.255", "192.169.0.0"},
        RangeCase{"192.175.48.0", "192.175.48.255", Reserved, "192.175.47.255", "192.175.49.0"},
        RangeCase{"198.18.0.0", "198.19.255.255", Benchmarking, "198.17.255.255", "198.20.0.0"},
        RangeCase{"198.51.100.0", "198.51.100.255", Documentation, "198.51.99.255", "198.51.101.0"},
        RangeCase{"203.0.113.0", "203.0.113.255", Documentation, "203.0.112.255", "203.0.114.0"},
        RangeCase{"224.0.0.0", "239.255.255.255", Multicast, "223.255.255.255", ""},
        RangeCase{"240.0.0.0", "255.255.255.254", Reserved, "", ""},
        RangeCase{"255.255.255.255", "255.255.255.255", Multicast, "", ""},
        RangeCase{"168.63.129.16", "168.63.129.16", Metadata, "168.63.129.15", "168.63.129.17"},
        RangeCase{"169.254.169.254", "169.254.169.254", Metadata, "", ""},
        RangeCase{"169.254.170.2", "169.254.170.2", Metadata, "", ""},
        RangeCase{"100.100.100.200", "100.100.100.200", Metadata, "", ""}));

INSTANTIATE_TEST_SUITE_P(
    V6, AddressRangeTest,
    testing::Values(
        RangeCase{"::", "::", Unspecified, "", ""}, RangeCase{"::1", "::1", Loopback, "", ""},
        RangeCase{"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Reserved, "", ""},
        RangeCase{"100::", "100::ffff:ffff:ffff:ffff", Reserved, "", ""},
        RangeCase{"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmarking, "", ""},
        RangeCase{"2001:10::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, "",
                  "2001:200::"},
        RangeCase{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation,
                  "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
        RangeCase{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation,
                  "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
        RangeCase{"4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved,
                  "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
        RangeCase{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, "", ""},
        RangeCase{"fc00::", "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, "", ""},
        RangeCase{"fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, "", ""},
        RangeCase{"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal, "", ""},
        RangeCase{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, "", ""},
        RangeCase{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast, "", ""},
        RangeCase{"fd00:ec2::254", "fd00:ec2::254", Metadata, "", ""},
        RangeCase{"fd20:ce::254", "fd20:ce::254", Metadata, "", ""},
        RangeCase{"fe80::a9fe:a9fe", "fe80::a9fe:a9fe", Metadata, "", ""}));

struct InnerCase {
  std::string outer;
  AddressClass what;
  friend void PrintTo(InnerCase const& inner, std::ostream* out) { *out << inner.outer; }
};
class EmbeddedAddressTest : public testing::TestWithParam<InnerCase> {};

TEST_P(EmbeddedAddressTest, TheInnerAddressDecides) {
  EXPECT_EQ(name_of(class_of(ip(GetParam().outer))), name_of(GetParam().what));
}

INSTANTIATE_TEST_SUITE_P(
    AllForms, EmbeddedAddressTest,
    testing::Values(InnerCase{"::ffff:127.0.0.1", Loopback}, InnerCase{"::ffff:8.8.8.8", Public},
                    InnerCase{"::ffff:169.254.169.254", Metadata}, InnerCase{"::10.0.0.1", Private},
                    InnerCase{"::8.8.8.8", Reserved}, InnerCase{"2002:7f00:1::", Loopback},
                    InnerCase{"2002:a9fe:a9fe::1", Metadata}, InnerCase{"2002:808:808::1", Public},
                    InnerCase{"64:ff9b::10.1.2.3", Private}, InnerCase{"64:ff9b::808:808", Public},
                    // Teredo: the server in clear, the client with all bits turned.
                    InnerCase{"2001:0:a00:1::f7f7:f7f7", Private},
                    InnerCase{"2001:0:808:808::80ff:fffe", Loopback},
                    InnerCase{"2001:0:808:808::f7f7:f7f7", Public},
                    InnerCase{"2600::5efe:a00:1", Private},
                    InnerCase{"2600::200:5efe:a00:1", Private},
                    InnerCase{"2600::5efe:808:808", Public}));

TEST(AddressPolicy, PublicAddressesAreAllowed) {
  for (char const* text : {"8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"})
    EXPECT_EQ(AddressPolicy().check(ip(text)), AddressPolicy::Verdict::Allowed) << text;
}

TEST(AddressPolicy, TheServicesOwnAddressesAreRefused) {
  AddressPolicy const policy({}, {ip("198.41.0.4")});
  EXPECT_EQ(policy.check(ip("198.41.0.4")), AddressPolicy::Verdict::OwnAddress);
  EXPECT_EQ(policy.check(ip("::ffff:198.41.0.4")), AddressPolicy::Verdict::OwnAddress);
  EXPECT_EQ(policy.check(ip("198.41.0.5")), AddressPolicy::Verdict::Allowed);
}

TEST(AddressPolicy, AnOpenedRangeIsALabAndNothingMore) {
  AddressPolicy const policy({net("127.0.0.0/8"), net("fd12::/16")}, {ip("127.0.0.1")});
  EXPECT_EQ(policy.check(ip("127.0.0.1")), AddressPolicy::Verdict::Allowed);
  EXPECT_EQ(policy.check(ip("fd12::1")), AddressPolicy::Verdict::Allowed);
  EXPECT_EQ(policy.check(ip("fd13::1")), AddressPolicy::Verdict::Refused);
  EXPECT_EQ(policy.check(ip("::1")), AddressPolicy::Verdict::Refused);
  EXPECT_TRUE(policy.is_lab(ip("127.3.2.1")));
  EXPECT_FALSE(policy.is_lab(ip("8.8.8.8")));
}

}  // namespace
}  // namespace holdfast::discovery
