#include <regex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "codec/zbase32.h"
#include "integration/discovery/process.h"
#include "integration/discovery/wire_client.h"

namespace holdfast::test {
namespace {

CoreKey const kProject = project_key(9);

double metric_of(Discovery const& at, std::string const& name) {
  std::string const text = at.admin().Get("/metrics")->body;
  std::size_t const found = text.find("\nholdfast_discovery_" + name + " ");
  if (found == std::string::npos) return -1;
  return std::stod(text.substr(text.find(' ', found + 1)));
}

/// The real program with one node, and with one project that it hosts.
class HttpRules : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_service = new Discovery({"--rate-limit", "off", "--loops", "1"});
    Node const node(1);
    ASSERT_EQ(node.register_at(*shared_service)->status, 200);
    ASSERT_EQ(node.list_project(*shared_service, kProject)->status, 200);
  }
  static void TearDownTestSuite() {
    delete shared_service;
    shared_service = nullptr;
  }
  static int port() { return shared_service->port; }
  static Discovery& service() { return *shared_service; }
  static std::string look_up() { return sync_path(kProject); }

 private:
  static Discovery* shared_service;
};
Discovery* HttpRules::shared_service = nullptr;

TEST_F(HttpRules, TlsAgreesOnHttp11AndSaysWhenThatCannotBe) {
  EXPECT_EQ(WireClient(port(), {.alpn = "\x08http/1.1"}).alpn(), "http/1.1");
  EXPECT_EQ(WireClient(port(), {.alpn = "\x02h2\x08http/1.1"}).alpn(), "http/1.1");
  for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    WireClient client(port(), {.version = version, .alpn = "\x02h2"});
    // With TLS 1.3 a client may learn of it only when it reads.
    std::string const said = client.failure();
    EXPECT_FALSE(client.ok()) << version;
    EXPECT_NE(said.find("no application protocol"), std::string::npos) << said;
  }
  WireClient none(port(), {});
  EXPECT_TRUE(none.ok());
  EXPECT_EQ(none.alpn(), "");
}

TEST_F(HttpRules, TheServerNameDoesNotMatter) {
  for (char const* name : {"", "localhost", "somewhere.else.example"}) {
    WireClient client(port(), {.server_name = name});
    ASSERT_TRUE(client.ok()) << name << client.failure();
    ASSERT_TRUE(client.send(get_request("/")));
    EXPECT_EQ(status_of(client.answer()), 200);
  }
}

TEST_F(HttpRules, OldTlsIsRefusedWithAnAlertAndCounted) {
  double const before = metric_of(service(), "handshakes_total{outcome=\"failed\"}");
  for (int const version : {TLS1_VERSION, TLS1_1_VERSION}) {
    WireClient const client(port(), {.version = version});
    EXPECT_FALSE(client.ok());
    EXPECT_NE(client.failure().find("alert protocol version"), std::string::npos)
        << client.failure();
  }
  EXPECT_EQ(metric_of(service(), "handshakes_total{outcome=\"failed\"}"), before + 2);
  for (int const version : {TLS1_2_VERSION, TLS1_3_VERSION})
    EXPECT_EQ(WireClient(port(), {.version = version}).version(), version);
}

TEST_F(HttpRules, HttpOnTheTlsPortIsToldSo) {
  WireClient client(port(), {.tls = false});
  ASSERT_TRUE(client.send(get_request(look_up())));
  std::string const all = client.rest();
  EXPECT_EQ(status_of(all), 400);
  EXPECT_NE(all.find("HTTPS"), std::string::npos) << all;
  EXPECT_TRUE(client.ended_well()) << "no reset";
  WireClient garbage(port(), {.tls = false});
  garbage.send(std::string(300, '\xff'));
  garbage.rest();
  EXPECT_TRUE(garbage.ended_well());
}

/// A request that a peculiar client sends, and what the specification wants.
struct Case {
  char const* what;
  std::string bytes;
  int status;
  bool closes;
};
void PrintTo(Case const& each, std::ostream* to) { *to << each.what; }

std::string request(std::string const& line, std::string const& fields = "") {
  return line + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

/// RFC 9112 (and 9110 for methods and Expect) as it looks from outside.
class Specified : public HttpRules, public testing::WithParamInterface<Case> {};

TEST_P(Specified, IsAnsweredAndEndedAsTheSpecificationWants) {
  WireClient client(port());
  ASSERT_TRUE(client.send(GetParam().bytes));
  bool const is_head = GetParam().bytes.starts_with("HEAD");
  std::string const answer = client.answer(!is_head);
  EXPECT_EQ(status_of(answer), GetParam().status) << answer;
  EXPECT_FALSE(field_of(answer, "Date").empty());
  EXPECT_EQ(field_of(answer, "Connection") == "close", GetParam().closes) << answer;
  if (!GetParam().closes) {
    ASSERT_TRUE(client.send(request("GET /", "Connection: close\r\n")));
    EXPECT_EQ(status_of(client.answer()), 200) << "the connection is in step";
  }
  EXPECT_EQ(client.rest(), "") << "nothing behind the last answer";
  EXPECT_TRUE(client.ended_well());
}

std::string put(std::string const& fields, std::string const& body = "") {
  return request("PUT /replicators/" + std::string(64, 'a'), fields) + body;
}

std::vector<Case> framing_cases() {
  std::string const smuggled = request("GET /", "");
  return {
      {"chunked", put("Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), 411, true},
      {"chunked and length",
       put("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + smuggled), 400,
       true},
      {"length and chunked",
       put("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + smuggled), 400,
       true},
      {"unknown coding", put("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" + smuggled), 501, true},
      {"coding with a tab", put("Transfer-Encoding:\tchunked\r\n", "0\r\n\r\n" + smuggled), 411,
       true},
      {"coding with a control",
       put("Transfer-Encoding: \x0b"
           "chunked\r\n",
           "0\r\n\r\n"),
       400, true},
      {"space before the colon", put("Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + smuggled),
       400, true},
      {"two lengths", put("Content-Length: 2\r\nContent-Length: 2\r\n", "{}" + smuggled), 400,
       true},
      {"two different lengths", put("Content-Length: 2\r\nContent-Length: 44\r\n", "{}" + smuggled),
       400, true},
      {"a list of lengths", put("Content-Length: 2, 2\r\n", "{}" + smuggled), 400, true},
      {"a signed length", put("Content-Length: +2\r\n", "{}" + smuggled), 400, true},
      {"a hexadecimal length", put("Content-Length: 0x2\r\n", "{}" + smuggled), 400, true},
      {"a folded line", put("X: a\r\n Content-Length: 2\r\n", smuggled), 400, true},
      {"a folded first field", "PUT / HTTP/1.1\r\n Host: a\r\n\r\n" + smuggled, 400, true},
      {"bare LF", "GET / HTTP/1.1\nHost: a\n\n" + smuggled, 400, true},
      {"bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 2\r\n\r\n" + smuggled, 400,
       true},
      {"NUL", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 33) + smuggled, 400, true},
      {"a body for GET", request("GET /", "Content-Length: 5\r\n") + "GET /", 413, true},
      {"no body for GET", request("GET /", "Content-Length: 0\r\n"), 200, false},
      {"an empty line before", "\r\n\r\n" + request("GET /"), 200, false},
      {"a body that is too large", put("Content-Length: 9999999\r\n", std::string(70'000, 'x')),
       413, true},
  };
}

std::vector<Case> line_cases() {
  return {
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400, true},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, true},
      {"a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, true},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 200, false},
      {"absolute form", request("GET https://elsewhere.example:1/"), 200, false},
      {"absolute form without path", request("GET HTTP://elsewhere.example"), 200, false},
      {"absolute form with a user", request("GET https://u:p@elsewhere.example/"), 400, true},
      {"authority form", request("CONNECT elsewhere.example:443"), 400, true},
      {"asterisk form", request("OPTIONS *"), 204, false},
      {"asterisk form of GET", request("GET *"), 400, true},
      {"no leading slash", request("GET whoami"), 400, true},
      {"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200, true},
      {"HTTP/1.0 that wants to stay", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200,
       true},
      {"a later minor version", "GET / HTTP/1.5\r\nHost: a\r\n\r\n", 200, false},
      {"HTTP/2 in HTTP/1 words", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, true},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, true},
      {"HTTP/0.9", "GET /\r\n\r\n", 400, true},
      {"no version", "GET / HTTP\r\nHost: a\r\n\r\n", 400, true},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, true},
      {"an unknown method", request("BREW /"), 501, true},
      {"a method in small letters", request("get /"), 501, true},
      {"a method that this path lacks", request("DELETE /whoami"), 405, false},
      {"TRACE", request("TRACE /"), 405, false},
      {"an unknown path", request("GET /nothing"), 404, false},
      {"HEAD", request("HEAD /"), 200, false},
      {"HEAD of an unknown path", request("HEAD /nothing"), 404, false},
      {"OPTIONS", request("OPTIONS /whoami"), 204, false},
      {"close in capitals", request("GET /", "Connection: CLOSE\r\n"), 200, true},
      {"close among others", request("GET /", "Connection: keep-alive, close\r\n"), 200, true},
      {"close in a second field", request("GET /", "Connection: te\r\nConnection: close\r\n"), 200,
       true},
      {"an upgrade", request("GET /", "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"),
       200, false},
      {"an unknown expectation", request("GET /", "Expect: wonders\r\n"), 200, false},
      {"a head of 64 KiB", request("GET /", "X: " + std::string(65'536, 'a') + "\r\n"), 431, true},
      {"64 KiB of small fields",
       request("GET /",
               [] {
                 std::string fields;
                 while (fields.size() < 65'536) fields += "A: b\r\n";
                 return fields;
               }()),
       431, true},
      {"a target of 64 KiB", request("GET /" + std::string(65'536, 'a')), 414, true},
      {"a request line without end", std::string(65'536, 'G'), 414, true},
  };
}

INSTANTIATE_TEST_SUITE_P(Framing, Specified, testing::ValuesIn(framing_cases()));
INSTANTIATE_TEST_SUITE_P(Lines, Specified, testing::ValuesIn(line_cases()));

TEST_F(HttpRules, HeadSaysWhatGetWouldButTheBody) {
  for (std::string const& path : {look_up(), std::string("/v1/info"), std::string("/nothing")}) {
    WireClient client(port());
    ASSERT_TRUE(client.send(request("GET " + path) + request("HEAD " + path)));
    std::string const get = client.answer();
    std::string const head = client.answer(/*has_body=*/false);
    EXPECT_EQ(without_date(head), without_date(get.substr(0, get.size() - body_of(get).size())));
    EXPECT_GT(body_of(get).size(), 0u);
  }
}

TEST_F(HttpRules, MethodsThatArePossibleAreNamed) {
  WireClient client(port());
  ASSERT_TRUE(client.send(request("PUT " + look_up()) + request("OPTIONS " + look_up()) +
                          request("OPTIONS *")));
  EXPECT_EQ(field_of(client.answer(), "Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(field_of(client.answer(), "Allow"), "GET, HEAD, POST, OPTIONS");
  std::string const whole = field_of(client.answer(), "Allow");
  for (char const* method : {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
    EXPECT_NE(whole.find(method), std::string::npos) << whole;
}

TEST_F(HttpRules, ATargetThatNamesAHostIsItsPath) {
  WireClient client(port());
  ASSERT_TRUE(client.send(request("GET " + look_up()) +
                          request("GET https://elsewhere.example:99" + look_up())));
  std::string const plain = without_date(client.answer());
  EXPECT_EQ(status_of(plain), 200);
  EXPECT_EQ(without_date(client.answer()), plain);
}

TEST_F(HttpRules, WhoAsksBeforeItSendsIsAnsweredBeforeItSends) {
  WireClient client(port());
  ASSERT_TRUE(client.send(put("Expect: 100-continue\r\nContent-Length: 2\r\n")));
  EXPECT_EQ(client.answer(), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(client.send("{}"));
  EXPECT_EQ(status_of(client.answer()), 401) << "not signed";
  ASSERT_TRUE(client.send(put("Expect: 100-continue\r\nContent-Length: 9999999\r\n")));
  EXPECT_EQ(status_of(client.answer()), 413) << "and not 100";
}

TEST_F(HttpRules, AThousandPipelinedRequestsAreAnsweredInTheirOrder) {
  WireClient client(port());
  std::string requests;
  for (int i = 0; i < 1'000; ++i) {
    switch (i % 4) {
      case 0:
        requests += get_request(look_up());
        break;
      case 1:
        requests += get_request(look_up(), "TE: trailers\r\n");  // The general path.
        break;
      case 2:
        requests += get_request("/nothing");
        break;
      default:
        requests += request("HEAD /v1/info");
    }
  }
  // Written beside the reading: neither side holds everything.
  std::thread writer([&] { client.send(requests); });
  std::vector<int> wrong;
  for (int i = 0; i < 1'000; ++i) {
    int const expected = i % 4 == 2 ? 404 : 200;
    if (status_of(client.answer(i % 4 != 3)) != expected) wrong.push_back(i);
  }
  writer.join();
  EXPECT_TRUE(wrong.empty()) << wrong.size() << " wrong, the first at " << wrong.front();
}

TEST_F(HttpRules, ARequestInSingleBytesIsARequest) {
  WireClient client(port());
  for (char const byte : get_request(look_up())) ASSERT_TRUE(client.send({&byte, 1}));
  EXPECT_EQ(status_of(client.answer()), 200);
}

TEST_F(HttpRules, ABodyThatDoesNotComeIsTimedOutWithAnAnswer) {
  WireClient client(port());
  ASSERT_TRUE(client.send(put("Content-Length: 10\r\n", "{")));
  EXPECT_EQ(status_of(client.answer()), 408);
  EXPECT_EQ(client.rest(), "");
  EXPECT_TRUE(client.ended_well());
}

/// A look-up as some client might make it: target behind /project/, and more fields.
struct Asked {
  std::string target;
  std::string fields{};
};
void PrintTo(Asked const& each, std::ostream* to) { *to << each.target << " " << each.fields; }

class BothPaths : public HttpRules, public testing::WithParamInterface<Asked> {
 protected:
  /// One without Date on a connection of its own.
  static std::string ask(std::string const& target, std::string const& fields) {
    WireClient client(port());
    client.send(get_request(target, fields));
    return without_date(client.answer());
  }
  static std::string etag() {
    WireClient client(port());
    client.send(get_request(look_up()));
    return field_of(client.answer(), "ETag");
  }
};

/// What says when to come back is jittered.
std::string without_patience(std::string text) {
  for (char const* each :
       {"Retry-After: [0-9]+", "\"retry_after\":[0-9]+", "Content-Length: [0-9]+"})
    text = std::regex_replace(text, std::regex(each), "#");
  return text;
}

std::string replaced(std::string text, std::string const& what, std::string const& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at))
    text.replace(at, what.size(), with);
  return text;
}

TEST_P(BothPaths, AnswerByteForByteTheSame) {
  DiscoveryKey const key = discovery_key_of(kProject);
  std::string upper = key.hex();
  for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  std::string target = replaced(GetParam().target, "HEX", key.hex());
  target = replaced(target, "UPPER", upper);
  target = "/project/" + replaced(target, "Z32", to_zbase32(key.bytes));
  std::string const fields = replaced(GetParam().fields, "ETAG", etag());
  // What is left of the lease counts down: once more when it did in between.
  std::string fast, general, again;
  for (int i = 0; i < 5 && (i == 0 || (fast != again && status_of(fast) < 400)); ++i) {
    fast = ask(target, fields);
    general = ask(target, fields + "TE: trailers\r\n");
    again = ask(target, fields);
  }
  EXPECT_GT(status_of(fast), 0) << fast;
  bool const comes_back = fast.find("\r\nRetry-After: ") != std::string::npos;
  EXPECT_EQ(comes_back ? without_patience(fast) : fast,
            comes_back ? without_patience(general) : general);
}

INSTANTIATE_TEST_SUITE_P(
    LookUps, BothPaths,
    testing::Values(
        Asked{"HEX/sync"}, Asked{"UPPER/sync"}, Asked{"Z32/sync"}, Asked{"HEX/sync?"},
        Asked{"HEX/sync?&"}, Asked{"HEX/sync?region=eu"}, Asked{"HEX/sync?region="},
        Asked{"HEX/sync?region=e%75"}, Asked{"HEX/sync?region=" + std::string(300, 'a')},
        Asked{"HEX/sync?region=eu&region=us"}, Asked{"HEX/sync?transport=tcp"},
        Asked{"HEX/sync?transport=ws"}, Asked{"HEX/sync?transport=TCP"},
        Asked{"HEX/sync?transport="}, Asked{"HEX/sync?wait=0"}, Asked{"HEX/sync?wait=60"},
        Asked{"HEX/sync?wait=61"}, Asked{"HEX/sync?wait=-1"}, Asked{"HEX/sync?wait=1.5"},
        Asked{"HEX/sync?wait=x"}, Asked{"HEX/sync?keyholder=HEX"}, Asked{"HEX/sync?keyholder=Z32"},
        Asked{"HEX/sync?keyholder=x"}, Asked{"HEX/sync?trace=1"}, Asked{"HEX/sync?trace=0"},
        Asked{"HEX/sync?peers=1"}, Asked{"HEX/sync?unknown=1"}, Asked{"HEX/sync?unknown"},
        Asked{"HEX/sync?a=b=c"}, Asked{"HEX/sync?a?b"}, Asked{"HEX/sync?=1"},
        Asked{"HEX/sync?WAIT=x"}, Asked{"HEX/sync?transport=tcp&wait=5&region=eu"},
        Asked{"HEX/sync/"}, Asked{"HEX//sync"}, Asked{"/sync"}, Asked{"HEX"}, Asked{"HEXa/sync"},
        Asked{"aa/sync"}, Asked{std::string(64, 'g') + "/sync"},
        Asked{std::string(52, 'y') + "/sync"}, Asked{"%61" + std::string(63, 'a') + "/sync"},
        Asked{"HEX/%73ync"}, Asked{"HEX/sync#x"}, Asked{"HEX/sync", "If-None-Match: ETAG\r\n"},
        Asked{"HEX/sync", "If-None-Match: *\r\n"}, Asked{"HEX/sync", "If-None-Match: W/ETAG\r\n"},
        Asked{"HEX/sync", "If-None-Match: \"x\", ETAG\r\n"},
        Asked{"HEX/sync", "If-None-Match: \"x\"\r\n"},
        Asked{"HEX/sync", "If-None-Match: \"x\"\r\nIf-None-Match: ETAG\r\n"},
        Asked{"HEX/sync", "if-none-match:ETAG\r\n"}, Asked{"HEX/sync", "If-None-Match: \r\n"},
        Asked{"HEX/sync", "If-Modified-Since: Sat, 29 Oct 2033 19:43:31 GMT\r\n"},
        Asked{"HEX/sync", "If-Match: \"x\"\r\n"}, Asked{"HEX/sync", "Range: bytes=0-1\r\n"},
        Asked{"HEX/sync", "Accept: text/html\r\nAccept-Encoding: gzip, br\r\n"},
        Asked{"HEX/sync", "Origin: https://app.example\r\n"},
        Asked{"HEX/sync", "Cache-Control: no-cache\r\nPragma: no-cache\r\n"},
        Asked{"HEX/sync", "Cookie: a=b\r\nAuthorization: Bearer x\r\n"},
        Asked{"HEX/sync", "Connection: close\r\n"}, Asked{"HEX/sync", "Connection: Keep-Alive\r\n"},
        Asked{"HEX/sync", "Connection: CLOSE\r\n"},
        Asked{"HEX/sync", "X-Forwarded-For: 6.6.6.6\r\n"},
        Asked{"HEX/sync", "Forwarded: for=6.6.6.6\r\n"}, Asked{"HEX/sync", "X: a%20b\r\nY:\r\n"},
        Asked{"HEX/sync", "Sec-Fetch-Mode: cors\r\nUser-Agent: node\r\nAccept-Language: *\r\n"}));

}  // namespace
}  // namespace holdfast::test
