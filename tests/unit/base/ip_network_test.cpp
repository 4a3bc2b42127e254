#include "base/ip_network.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

IpAddress address(std::string const& text) {
  std::optional<IpAddress> const parsed = IpAddress::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpAddress{});
}

bool contains(std::string const& network, std::string const& text) {
  Result<IpNetwork> const parsed = IpNetwork::parse(network);
  EXPECT_TRUE(parsed.ok()) << network;
  return parsed.ok() && parsed->contains(address(text));
}

TEST(IpAddress, IsWrittenInOneForm) {
  EXPECT_EQ(to_string(address("192.0.2.255")), "192.0.2.255");
  EXPECT_EQ(to_string(address("0.0.0.0")), "0.0.0.0");
  EXPECT_EQ(to_string(address("::")), "::");
  EXPECT_EQ(to_string(address("::1")), "::1");
  EXPECT_EQ(to_string(address("1::")), "1::");
  EXPECT_EQ(to_string(address("2001:DB8:0:0:1:0:0:1")), "2001:db8::1:0:0:1");
  EXPECT_EQ(to_string(address("2001:db8:0:1:1:1:1:1")), "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(to_string(address("1:0:0:0:2:0:0:0")), "1::2:0:0:0");
  EXPECT_EQ(to_string(address("64:ff9b::192.0.2.1")), "64:ff9b::c000:201");
  EXPECT_EQ(to_string(address("1:2:3:4:5:6:1.2.3.4")), "1:2:3:4:5:6:102:304");
}

TEST(IpAddress, MappedAddressesAreTheirIpv4Address) {
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_EQ(to_string(address("::ffff:c000:201")), "192.0.2.1");
  EXPECT_TRUE(address("::ffff:1.2.3.4").is_v4());
  EXPECT_FALSE(address("::1.2.3.4").is_v4());
}

TEST(IpAddress, OtherTextIsRefused) {
  for (char const* text : {"",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.04",
                           "1.2.3.4 ",
                           " 1.2.3.4",
                           "1.2.3.",
                           ".1.2.3",
                           "0x1.2.3.4",
                           "-1.2.3.4",
                           "+1.2.3.4",
                           "1.2.3.0004",
                           ":",
                           ":::",
                           "1:",
                           ":1",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7::8",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "[::1]",
                           "::1%eth0",
                           "::1.2.3",
                           "1.2.3.4::",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1.2.3.4:5",
                           "-1::"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(IpNetwork, ContainsBothEndsAndNothingBeside) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.0.0.0"));
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_FALSE(contains("10.0.0.0/8", "9.255.255.255"));
  EXPECT_TRUE(contains("100.64.0.0/10", "100.127.255.255"));
  EXPECT_FALSE(contains("100.64.0.0/10", "100.128.0.0"));
  EXPECT_TRUE(contains("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(contains("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(contains("fe80::/10", "febf:ffff::1"));
  EXPECT_FALSE(contains("fe80::/10", "fec0::"));
  EXPECT_TRUE(contains("::1", "::1"));
}

TEST(IpNetwork, FamiliesAreApart) {
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("0.0.0.0/0", "255.255.255.255"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(contains("::/0", "2001:db8::1"));
  EXPECT_FALSE(contains("::/0", "1.2.3.4"));
}

TEST(IpNetwork, OtherTextIsRefused) {
  for (char const* text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8", "::/129",
        "::1/64", "10.0.0.0/8 ", "::ffff:10.0.0.0/104", "example.org/8", "10/8"}) {
    EXPECT_FALSE(IpNetwork::parse(text).ok()) << text;
  }
}

TEST(IpNetwork, TextIsRepeated) {
  for (char const* text : {"10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "::/0", "::1/128"})
    EXPECT_EQ(IpNetwork::parse(text)->text(), text);
}

TEST(NetworkOf, CountsIpv4BitsWithinIpv4) {
  EXPECT_EQ(network_of(address("192.0.2.77"), 24), address("192.0.2.0"));
  EXPECT_EQ(network_of(address("192.0.2.77"), 32), address("192.0.2.77"));
  EXPECT_EQ(network_of(address("192.0.2.77"), 0), address("0.0.0.0"));
  EXPECT_EQ(network_of(address("2001:db8:1:2:3::"), 48), address("2001:db8:1::"));
  EXPECT_EQ(network_of(address("2001:db8:1:2fff::"), 51), address("2001:db8:1:2000::"));
}

}  // namespace
}  // namespace holdfast
