#include "discovery/http/own_urls.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

using Urls = std::vector<std::string>;

TEST(OwnUrls, AreComparedInOneForm) {
  Result<OwnUrls> const own = OwnUrls::parse(
      {"HTTPS://Discovery.Example.org:443/", "http://a:80", "https://[2001:DB8::1]:8443"});
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->list(),
            (Urls{"https://discovery.example.org", "http://a", "https://[2001:db8::1]:8443"}));
  EXPECT_EQ(own->host_names(), (Urls{"discovery.example.org", "a", "2001:db8::1"}));
  EXPECT_TRUE(own->has_host("DISCOVERY.example.org"));
  EXPECT_FALSE(own->has_host("discovery.example.org:8443"));
}

TEST(OwnUrls, WhatIsNotAPlainUrlIsRefused) {
  for (char const* text : {"", "discovery.example.org", "ftp://a", "https://", "https:///",
                           "https://a/b", "https://u@a", "https://a?b", "https://a b"}) {
    EXPECT_FALSE(OwnUrls::parse({text}).ok()) << text;
  }
  EXPECT_TRUE(OwnUrls::parse(Urls(16, "https://a")).ok());
  EXPECT_FALSE(OwnUrls::parse(Urls(17, "https://a")).ok());
}

TEST(OwnUrls, AListenerIsCalledByItsLoopbackNames) {
  EXPECT_EQ(OwnUrls::of_listener("0.0.0.0", 8443).list(),
            (Urls{"https://localhost:8443", "https://127.0.0.1:8443", "https://[::1]:8443"}));
  EXPECT_EQ(OwnUrls::of_listener("127.0.0.1", 1).list(),
            (Urls{"https://127.0.0.1:1", "https://localhost:1", "https://[::1]:1"}));
  EXPECT_EQ(OwnUrls::of_listener("192.0.2.1", 443).list(), Urls{"https://192.0.2.1"});
}

}  // namespace
}  // namespace holdfast::discovery
