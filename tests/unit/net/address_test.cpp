#include "net/address.h"

#include <gtest/gtest.h>

#include "net/follower.h"
#include "net/https_client.h"

namespace holdfast::net {
namespace {

TEST(Address, ReadsNamesAndBothFamilies) {
  EXPECT_EQ(*parse_address("node3.example.org:4838"), (Address{"node3.example.org", 4838}));
  EXPECT_EQ(*parse_address("192.0.2.1:0"), (Address{"192.0.2.1", 0}));
  EXPECT_EQ(*parse_address("[2001:db8::1]:65535"), (Address{"2001:db8::1", 65535}));
}

TEST(Address, WritesWhatItReads) {
  for (char const* const text : {"a:1", "192.0.2.1:80", "[::1]:443"}) {
    EXPECT_EQ(to_text(*parse_address(text)), text);
  }
}

TEST(Address, RefusesEverythingElse) {
  for (char const* const text : {"", ":", "a", "a:", ":1", "a:65536", "a:-1", "a:1x", "::1:80",
                                 "[::1]", "[]:1", "a]:1", "a:99999999999"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

TEST(NamedPeer, MayCarryTheKeyThatMustAnswer) {
  std::string const key(64, 'a');
  NamedPeer const peer = *parse_named_peer(key + "@localhost:4838");
  EXPECT_EQ(peer.key->hex(), key);
  EXPECT_EQ(peer.address, (Address{"localhost", 4838}));
  EXPECT_FALSE(parse_named_peer("localhost:4838")->key);
}

TEST(NamedPeer, RefusesPortZeroAndBrokenKeys) {
  EXPECT_FALSE(parse_named_peer("localhost:0"));
  EXPECT_FALSE(parse_named_peer("abc@localhost:4838"));
  EXPECT_FALSE(parse_named_peer("@localhost:4838"));
}

TEST(ServiceUrl, SplitsHostPortAndBase) {
  ServiceUrl const plain = *parse_service_url("https://discovery.example.org");
  EXPECT_EQ(plain.host, "discovery.example.org");
  EXPECT_EQ(plain.port, 443);
  EXPECT_EQ(plain.base, "");
  ServiceUrl const full = *parse_service_url("https://[::1]:8443/holdfast/");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, 8443);
  EXPECT_EQ(full.base, "/holdfast");
  EXPECT_EQ(full.text, "https://[::1]:8443/holdfast");
  EXPECT_EQ(parse_service_url("https://[::1]")->port, 443);
}

TEST(ServiceUrl, RefusesWhatIsNotAPlainHttpsUrl) {
  for (char const* const text :
       {"", "https://", "https:///", "http://a", "a:1", "https://a:0", "https://u@a", "https://a?b",
        "https://a#b", "https://a b", "https://a:b", "https://a:70000"}) {
    EXPECT_FALSE(parse_service_url(text)) << text;
  }
}

}  // namespace
}  // namespace holdfast::net
