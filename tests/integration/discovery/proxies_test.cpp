#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/discovery/process.h"
#include "integration/discovery/wire_client.h"
#include "registration/api.h"

namespace holdfast::test {
namespace {

constexpr char kStranger[] = "127.0.0.2";  // Not among the proxies.
CoreKey const kProject = project_key(9);

std::string observed(std::string const& answer) {
  nlohmann::json const body = nlohmann::json::parse(body_of(answer), nullptr, false);
  return body.is_object() ? body.value("observed_address", "none") : "no answer";
}

std::string whoami(Discovery const& at, std::string const& fields, WireOptions const& as = {}) {
  WireClient client(at.port, as);
  if (!client.ok() || !client.send(get_request("/whoami", fields))) return "no connection";
  return observed(client.answer());
}

int metric(Discovery const& at, std::string const& name) {
  std::string const text = at.admin().Get("/metrics")->body;
  std::size_t const found = text.find("\nholdfast_discovery_" + name + " ");
  return found == std::string::npos ? -1 : std::stoi(text.substr(text.find(' ', found + 1)));
}

/// A registration as it comes through a proxy.
std::string registration(Node const& node, Discovery const& at, std::string const& fields) {
  std::string const body = node.registration_body({});
  std::string text = "PUT " + node.path() + " HTTP/1.1\r\nHost: a\r\n" + fields;
  for (auto const& [name, value] : node.signature_of(at, "PUT", "", body))
    text += name + ": " + value + "\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

TEST(ForwardedFields, OfListedNetworksNameTheClientByTheRightMostHop) {
  Discovery const at({"--trusted-proxy", "127.0.0.1/32", "--trusted-proxy", "10.0.0.0/8"});
  EXPECT_EQ(whoami(at, ""), "127.0.0.1");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 198.51.100.7\r\n"), "198.51.100.7");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\n"), "198.51.100.7");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 6.6.6.6, 198.51.100.7, 10.1.2.3\r\n"), "198.51.100.7")
      << "a proxy behind a proxy";
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 198.51.100.7\r\n"),
            "198.51.100.7");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: [2001:db8::1]:443\r\n"), "2001:db8::1");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 198.51.100.7, nonsense\r\n"), "127.0.0.1");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: nonsense, 10.1.2.3\r\n"), "10.1.2.3");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: " + std::string(4'000, ',') + "\r\n"), "127.0.0.1");
  EXPECT_EQ(whoami(at, "Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"), "127.0.0.1")
      << "one field is read";
  for (char const* fields : {"X-Forwarded-For: 6.6.6.6\r\n", "X-Forwarded-For: 127.0.0.1\r\n",
                             "Forwarded: for=6.6.6.6\r\n"})
    EXPECT_EQ(whoami(at, fields, {.from = kStranger}), kStranger) << fields;
}

TEST(ForwardedFields, TheOtherFieldIsReadInstead) {
  Discovery const at({"--trusted-proxy", "127.0.0.1/32", "--forwarded-field", "forwarded"});
  EXPECT_EQ(whoami(at, "Forwarded: for=6.6.6.6, for=198.51.100.7;proto=https\r\n"), "198.51.100.7");
  EXPECT_EQ(whoami(at, "Forwarded: for=\"[2001:db8::1]:9\"\r\n"), "2001:db8::1");
  EXPECT_EQ(whoami(at, "Forwarded: for=unknown\r\n"), "127.0.0.1");
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 6.6.6.6\r\n"), "127.0.0.1");
}

TEST(ForwardedFields, BudgetsBelongToTheClientBehindTheProxy) {
  Discovery const at({"--trusted-proxy", "127.0.0.1/32"});
  auto const limited_after = [&](WireOptions const& as, auto const& fields_of) {
    WireClient client(at.port, as);
    for (int i = 0; i < 5'000; ++i) {
      client.send(get_request("/project/" + std::string(64, 'a') + "/sync", fields_of(i)));
      int const status = status_of(client.answer());
      if (status == 429) return i;
      if (status != 404) return -status;
    }
    return 5'000;
  };
  auto const always = [](char const* ip) {
    return [ip](int) { return "X-Forwarded-For: " + std::string(ip) + "\r\n"; };
  };
  int const budget = limited_after({}, always("198.51.100.1"));
  EXPECT_GT(budget, 0);
  EXPECT_LT(budget, 5'000);
  EXPECT_GT(limited_after({}, always("198.51.100.2")), budget / 2) << "its neighbour is free";
  EXPECT_LT(limited_after({}, always("198.51.100.1")), budget / 2) << "and it is not";
  // A stranger that invents an address for each request still has one budget.
  auto const invent = [](int i) {
    return "X-Forwarded-For: 9.9." + std::to_string(i / 200) + "." + std::to_string(i % 200) +
           "\r\n";
  };
  EXPECT_LT(limited_after({.from = kStranger}, invent), 2 * budget);
}

TEST(ForwardedFields, ARegistrationIsSeenToComeFromBehindTheProxy) {
  Discovery const at({"--trusted-proxy", "127.0.0.1/32"});
  Node const node(1);
  WireClient proxy(at.port);
  ASSERT_TRUE(proxy.send(registration(node, at, "X-Forwarded-For: 198.51.100.7\r\n")));
  std::string const answer = proxy.answer();
  EXPECT_EQ(status_of(answer), 200) << answer;
  EXPECT_EQ(observed(answer), "198.51.100.7");
  ASSERT_EQ(node.list_project(at, kProject)->status, 200);
  auto const found = nlohmann::json::parse(at.https().Get(sync_path(kProject).c_str())->body);
  EXPECT_EQ(found["host"], "198.51.100.7");

  Node const other(2);
  WireClient stranger(at.port, {.from = kStranger});
  ASSERT_TRUE(stranger.send(registration(other, at, "X-Forwarded-For: 198.51.100.7\r\n")));
  EXPECT_EQ(observed(stranger.answer()), kStranger);
}

std::string version_2(std::string const& command_and_family, std::string const& addresses) {
  std::string const signature("\r\n\r\n\0\r\nQUIT\n", 12);
  return signature + command_and_family + '\0' + static_cast<char>(addresses.size()) + addresses;
}

class ProxyProtocol : public testing::Test {
 protected:
  Discovery const at{{"--trusted-proxy", "127.0.0.1/32", "--proxy-protocol"}};
};

TEST_F(ProxyProtocol, NamesTheClientBeforeTlsBegins) {
  auto const behind = [&](std::string const& preamble) {
    return whoami(at, "", {.preamble = preamble});
  };
  EXPECT_EQ(behind("PROXY TCP4 198.51.100.7 192.0.2.1 1234 443\r\n"), "198.51.100.7");
  EXPECT_EQ(behind("PROXY TCP6 2001:db8::1 2001:db8::2 1234 443\r\n"), "2001:db8::1");
  EXPECT_EQ(behind("PROXY UNKNOWN\r\n"), "127.0.0.1");
  EXPECT_EQ(
      behind(version_2("\x21\x11", std::string("\xc6\x33\x64\x07\x01\x01\x01\x01\0\1\1\xbb", 12))),
      "198.51.100.7");
  EXPECT_EQ(behind(version_2(std::string("\x20\0", 2), "")), "127.0.0.1")
      << "LOCAL: a health check";
  EXPECT_EQ(whoami(at, "X-Forwarded-For: 6.6.6.6\r\n",
                   {.preamble = "PROXY TCP4 198.51.100.7 192.0.2.1 1234 443\r\n"}),
            "198.51.100.7")
      << "who was named is no proxy";
}

TEST_F(ProxyProtocol, IsWantedFromListedNetworksAndUnderstoodFromNobodyElse) {
  EXPECT_FALSE(WireClient(at.port).ok()) << "a listed proxy that says nothing";
  EXPECT_EQ(whoami(at, "", {.from = kStranger}), kStranger);
  EXPECT_FALSE(WireClient(at.port, {.from = kStranger,
                                    .preamble = "PROXY TCP4 6.6.6.6 192.0.2.1 1234 443\r\n"})
                   .ok());
}

TEST_F(ProxyProtocol, GarbageIsClosedAtOnceAndSlownessInTime) {
  int const before = metric(at, "refused_total{reason=\"proxy-header\"}");
  WireClient slow(at.port, {.tls = false, .preamble = "PROXY TCP4 198.51.100.7 "});
  for (std::string const& garbage :
       {std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), std::string("PROXY TCP4 1.2.3\r\n"),
        "PROXY " + std::string(200, 'a'), std::string("PROXY TCP4 a b c d\r\n"),
        version_2("\x31\x11", std::string(12, 'a')), version_2("\x21\x11", "short")}) {
    WireClient client(at.port, {.tls = false, .preamble = garbage});
    EXPECT_EQ(client.rest(), "") << garbage;
  }
  EXPECT_EQ(metric(at, "refused_total{reason=\"proxy-header\"}"), before + 6);
  EXPECT_EQ(slow.rest(), "") << "five seconds for a handshake, header and all";
  EXPECT_EQ(whoami(at, "", {.from = kStranger}), kStranger);
}

}  // namespace
}  // namespace holdfast::test
