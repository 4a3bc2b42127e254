#include "serve/proxies.h"

#include <string>

#include <gtest/gtest.h>

#include "raw_client.h"
#include "test_server.h"

namespace holdfast {
namespace {

ProxyPolicy policy(ForwardedField field = ForwardedField::XForwardedFor) {
  return {.trusted = {*IpNetwork::parse("10.0.0.0/8"), *IpNetwork::parse("fd00::/8")},
          .field = field};
}

std::string client_of(ProxyPolicy const& given, std::string const& name, std::string const& value) {
  HeaderList headers;
  headers.add(name, value);
  return client_behind(given, *make_peer("10.0.0.1", 1), headers).ip;
}

TEST(ForwardedFor, TheRightMostStrangerIsTheClient) {
  auto const client = [](char const* value) {
    return client_of(policy(), "X-Forwarded-For", value);
  };
  EXPECT_EQ(client("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(client("6.6.6.6, 192.0.2.1"), "192.0.2.1") << "what stands left was sent by the client";
  EXPECT_EQ(client("6.6.6.6, 192.0.2.1 , 10.2.3.4"), "192.0.2.1");
  EXPECT_EQ(client("10.9.9.9,10.2.3.4"), "10.9.9.9") << "all of them are ours";
  EXPECT_EQ(client("192.0.2.1:4711"), "192.0.2.1");
  EXPECT_EQ(client("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(client("[2001:db8::1]:4711"), "2001:db8::1");
  EXPECT_EQ(client("192.0.2.1, unknown, 10.2.3.4"), "10.2.3.4") << "the hop that wrote nonsense";
  for (char const* nonsense :
       {"", ",", "unknown", "1.2.3", "[::1", "[::1]x", "1.2.3.4:x", "\"1.2.3.4\""})
    EXPECT_EQ(client(nonsense), "10.0.0.1") << nonsense;
}

TEST(ForwardedFor, SeveralFieldsAreOneList) {
  HeaderList headers;
  headers.add("x-forwarded-for", "6.6.6.6");
  headers.add("X-Forwarded-For", "192.0.2.1, 10.0.0.7");
  EXPECT_EQ(client_behind(policy(), *make_peer("10.0.0.1", 1), headers).ip, "192.0.2.1");
  FieldView const fields[] = {{"x-forwarded-for", "6.6.6.6"},
                              {"X-Forwarded-For", "192.0.2.1, 10.0.0.7"}};
  EXPECT_EQ(client_behind(policy(), *make_peer("10.0.0.1", 1), fields).ip, "192.0.2.1");
}

TEST(ForwardedFor, OnlyTheAgreedFieldIsRead) {
  EXPECT_EQ(client_of(policy(), "Forwarded", "for=192.0.2.1"), "10.0.0.1");
  EXPECT_EQ(client_of(policy(ForwardedField::Forwarded), "X-Forwarded-For", "192.0.2.1"),
            "10.0.0.1");
}

TEST(ForwardedFor, Rfc7239IsRead) {
  auto const client = [](char const* value) {
    return client_of(policy(ForwardedField::Forwarded), "Forwarded", value);
  };
  EXPECT_EQ(client("for=192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(client("proto=https;For=\"192.0.2.1:80\";by=10.0.0.1"), "192.0.2.1");
  EXPECT_EQ(client("for=\"[2001:db8::1]:4711\", for=10.1.1.1"), "2001:db8::1");
  EXPECT_EQ(client("for=6.6.6.6, for=192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(client("for=\"a, for=6.6.6.6\""), "10.0.0.1") << "a comma inside quotes";
  EXPECT_EQ(client("for=_hidden"), "10.0.0.1");
  EXPECT_EQ(client("proto=https"), "10.0.0.1");
}

TEST(ProxyHeader, Version1IsRead) {
  std::string const text = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
  std::optional<ProxyHeader> const header = read_proxy_header(text + "GET");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->bytes, text.size());
  EXPECT_EQ(header->source->ip, "192.0.2.1");
  EXPECT_EQ(header->source->port, 56324);
  EXPECT_EQ(read_proxy_header("PROXY TCP6 2001:db8::1 ::1 1 2\r\n")->source->ip, "2001:db8::1");
  EXPECT_FALSE(read_proxy_header("PROXY UNKNOWN\r\n")->source);
  EXPECT_EQ(read_proxy_header("PROXY UNKNOWN\r\n")->bytes, 15u);
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_EQ(read_proxy_header(text.substr(0, size))->bytes, 0u) << size;
}

std::string version_2(char command, char family, std::string const& addresses) {
  std::string text("\r\n\r\n\0\r\nQUIT\n", 12);
  text += command;
  text += family;
  text += static_cast<char>(addresses.size() >> 8);
  text += static_cast<char>(addresses.size() & 0xff);
  return text + addresses;
}

TEST(ProxyHeader, Version2IsRead) {
  std::string const v4 = version_2(0x21, 0x11, std::string("\xc0\0\2\1\1\2\3\4\xdc\4\1\xbb", 12));
  std::optional<ProxyHeader> const header = read_proxy_header(v4 + "more");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->bytes, v4.size());
  EXPECT_EQ(header->source->ip, "192.0.2.1");
  EXPECT_EQ(header->source->port, 0xdc04);
  std::string const v6 =
      version_2(0x21, 0x21, std::string(15, '\0') + "\1" + std::string(16, '\0') + "\1\2\3\4TLV");
  EXPECT_EQ(read_proxy_header(v6)->source->ip, "::1");
  EXPECT_EQ(read_proxy_header(v6)->bytes, v6.size());
  EXPECT_FALSE(read_proxy_header(version_2(0x20, 0, ""))->source) << "LOCAL: a health check";
  for (std::size_t size = 0; size < v4.size(); ++size)
    EXPECT_EQ(read_proxy_header(v4.substr(0, size))->bytes, 0u) << size;
}

TEST(ProxyHeader, WhatIsNoneIsSaidAtOnce) {
  for (std::string const& text :
       {std::string("GET / HTTP/1.1\r\nHost: a\r\n"), std::string("PROXX"),
        std::string("\x16\x03\x01"), std::string("PROXY TCP4 192.0.2.1 1.1.1.1 1\r\n"),
        std::string("PROXY TCP4 x 1.1.1.1 1 2\r\n"),
        std::string("PROXY TCP4 192.0.2.1 1.1.1.1 65536 2\r\n"),
        std::string("PROXY UDP4 1 2 3 4\r\n"), "PROXY " + std::string(101, 'a'),
        version_2(0x31, 0x11, std::string(12, 'a')), version_2(0x22, 0x11, std::string(12, 'a')),
        version_2(0x21, 0x11, std::string(11, 'a')), version_2(0x21, 0x12, std::string(12, 'a')),
        version_2(0x21, 0x11, std::string(600, 'a'))}) {
    EXPECT_FALSE(read_proxy_header(text)) << text;
  }
}

class ProxiesTest : public TestServer {
 protected:
  std::string ask(std::string const& bytes) {
    RawClient client(server_->port());
    client.send(bytes);
    std::string const answer = client.answer();
    return answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4));
  }
  static constexpr char kSpoofed[] =
      "GET /project/k/sync HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, "
      "192.0.2.1\r\nForwarded: "
      "for=6.6.6.6\r\n\r\n";
};

TEST_F(ProxiesTest, StrangersCannotSayWhereTheyComeFrom) {
  start({.proxies = {.trusted = {*IpNetwork::parse("192.0.2.0/24")}, .proxy_protocol = true}});
  EXPECT_EQ(ask(kSpoofed), "k 127.0.0.1");
  EXPECT_NE(ask(std::string("PROXY TCP4 6.6.6.6 1.1.1.1 1 2\r\n") + kSpoofed).find("malformed"),
            std::string::npos)
      << "from a stranger it is a request, and none that is well formed";
}

TEST_F(ProxiesTest, ATrustedProxyNamesTheClientOnBothPaths) {
  add_fast();
  start({.proxies = {.trusted = {*IpNetwork::parse("127.0.0.0/8")}}});
  EXPECT_EQ(ask(kSpoofed), "k 192.0.2.1");
  EXPECT_EQ(server_->counters().requests_fast, 1u);
  EXPECT_EQ(
      ask("GET /project/k/sync?%20 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"),
      "k 192.0.2.1");
  EXPECT_EQ(server_->counters().requests_fast, 1u);
}

TEST_F(ProxiesTest, TheProxyProtocolNamesTheClientOfTheWholeConnection) {
  start({.proxies = {.trusted = {*IpNetwork::parse("127.0.0.1")}, .proxy_protocol = true}});
  RawClient client(server_->port());
  client.send("PROXY TCP4 198.51.1");
  client.send(std::string("00.7 1.1.1.1 1 2\r\n") + kSpoofed + kSpoofed);
  for (int i = 0; i < 2; ++i)
    EXPECT_NE(client.answer().find("\r\n\r\nk 198.51.100.7"), std::string::npos);
}

TEST_F(ProxiesTest, ATrustedProxyThatSkipsTheProtocolIsRefused) {
  start({.proxies = {.trusted = {*IpNetwork::parse("127.0.0.1")}, .proxy_protocol = true}});
  EXPECT_EQ(ask(kSpoofed), "");
  EXPECT_EQ(server_->counters().refused_by(Refusal::ProxyHeader), 1u);
}

}  // namespace
}  // namespace holdfast
