#include "discovery/probe/socket_address.h"

#include <cstring>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace holdfast::discovery {
namespace {

/// What the system gives for `family`, with `text` as its address.
sockaddr_storage socket_address(sa_family_t family, char const* text) {
  sockaddr_storage out{};
  out.ss_family = family;
  in_addr v4{};
  in6_addr v6{};
  if (family == AF_INET && inet_pton(AF_INET, text, &v4) == 1) {
    sockaddr_in of{};
    of.sin_family = family;
    of.sin_port = htons(4838);
    of.sin_addr = v4;
    std::memcpy(&out, &of, sizeof of);
  }
  if (family == AF_INET6 && inet_pton(AF_INET6, text, &v6) == 1) {
    sockaddr_in6 of{};
    of.sin6_family = family;
    of.sin6_port = htons(4838);
    of.sin6_scope_id = 2;
    of.sin6_addr = v6;
    std::memcpy(&out, &of, sizeof of);
  }
  return out;
}

std::optional<IpAddress> read(sockaddr_storage const& from) {
  return address_of(reinterpret_cast<sockaddr const*>(&from));
}

TEST(SocketAddress, BothFamiliesAreRead) {
  EXPECT_EQ(read(socket_address(AF_INET, "192.0.2.7")), IpAddress::parse("192.0.2.7"));
  EXPECT_EQ(read(socket_address(AF_INET6, "2001:db8::7")), IpAddress::parse("2001:db8::7"));
}

TEST(SocketAddress, MappedIPv4EqualsIPv4) {
  EXPECT_EQ(read(socket_address(AF_INET6, "::ffff:192.0.2.7")), IpAddress::parse("192.0.2.7"));
}

TEST(SocketAddress, WhatIsNoAddressIsNothing) {
  EXPECT_EQ(address_of(nullptr), std::nullopt);
  EXPECT_EQ(read(socket_address(AF_UNIX, "")), std::nullopt);
}

}  // namespace
}  // namespace holdfast::discovery
