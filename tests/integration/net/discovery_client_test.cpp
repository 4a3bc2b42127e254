#include "net/discovery_client.h"

#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "base/mutex.h"
#include "net/registration_client.h"
#include "registration/http_signature.h"
#include "serve/server.h"
#include "support/temporary_directory.h"

namespace holdfast::net {
namespace {

std::uint64_t unix_seconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

/// A discovery service whose answers the test writes. Certificates are made anew for each.
class Service {
 public:
  using Answer = std::function<HttpResponse(HttpRequest const&)>;

  Service() {
    certificate_ = *make_or_load_certificate(directory_.path().string(), {});
    for (char const* const method : {"GET", "PUT", "POST", "DELETE"}) {
      for (char const* const path :
           {"/project/{key}/sync", "/replicators/{id}", "/replicators/{id}/renew",
            "/replicators/{id}/projects", "/nonce", "/whoami"}) {
        router_.add(method, path, [this](HttpRequest const& request) { return handle(request); },
                    {.body_bytes_max = 1 << 20});
      }
    }
    server_ = std::make_unique<HttpServer>(
        router_, ServerOptions{.host = "0.0.0.0", .certificate = certificate_, .worker_count = 4});
    EXPECT_TRUE(server_->start());
  }

  void answer(Answer how) {
    MutexLock const lock(mutex_);
    how_ = std::move(how);
  }
  void answer(int status, std::string const& body) {
    answer([=](HttpRequest const&) { return HttpResponse{.status = status, .body = body}; });
  }
  std::vector<HttpRequest> requests() {
    MutexLock const lock(mutex_);
    return requests_;
  }
  ServiceUrl url() const {
    return *parse_service_url("https://127.0.0.1:" + std::to_string(server_->port()));
  }
  HttpsOptions pinned() const {
    HttpsOptions options;
    options.trust.pin = Hash::from_hex(certificate_.pin);
    return options;
  }
  HttpsOptions with_ca() const {
    HttpsOptions options;
    options.trust.ca_file = certificate_.certificate_path;
    return options;
  }

 private:
  HttpOutcome handle(HttpRequest const& request) {
    Answer how;
    {
      MutexLock const lock(mutex_);
      requests_.push_back(request);
      how = how_;
    }
    return how(request);
  }

  support::TemporaryDirectory directory_;
  CertificateFiles certificate_;
  Router router_;
  Mutex mutex_;
  Answer how_ HOLDFAST_GUARDED_BY(mutex_) = [](HttpRequest const&) {
    return HttpResponse{.status = 404};
  };
  std::vector<HttpRequest> requests_ HOLDFAST_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

KeyPair pair_of(Byte seed) { return KeyPair::from_seed({.bytes = {seed}}); }

CoreKey const kProject{{1, 2, 3}};

registration::SignedRecord record_of(KeyPair const& pair, std::string const& host) {
  registration::Address address;
  address.host = host;
  address.port = 4838;
  registration::Record record;
  record.id = pair.public_key;
  record.seq = 1;
  record.addresses.push_back(address);
  return *registration::sign_record(record, pair);
}

registration::Endpoint endpoint_of(Byte seed, std::optional<CoreKey> const& proves) {
  KeyPair const pair = pair_of(seed);
  registration::Endpoint endpoint;
  endpoint.replicator = pair.public_key;
  endpoint.host = "192.0.2.1";
  endpoint.port = 4838;
  endpoint.expires_in_s = 30;
  endpoint.record = record_of(pair, endpoint.host).bytes;
  if (proves) {
    endpoint.proof =
        registration::make_keyholder_proof(keyholder_pair_of(*proves), pair.public_key,
                                           discovery_key_of(kProject), unix_seconds() + 3600);
  }
  return endpoint;
}

std::string json_of(std::vector<registration::Endpoint> endpoints) {
  return to_json(registration::LookupAnswer{std::move(endpoints)});
}

class DiscoveryClientTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto()); }
  Result<Lookup> ask(std::vector<ServiceUrl> urls, HttpsOptions const& https,
                     LookupQuery const& query = LookupQuery::of_project(kProject)) {
    DiscoveryClientOptions options;
    options.services = std::move(urls);
    options.https = https;
    client_ = std::move(*DiscoveryClient::open(options));
    return client_->lookup(query);
  }
  std::unique_ptr<DiscoveryClient> client_;
};

TEST_F(DiscoveryClientTest, FindsEndpointsAndPutsProvenOnesFirst) {
  Service service;
  service.answer(200, json_of({endpoint_of(1, std::nullopt), endpoint_of(2, kProject),
                               endpoint_of(3, CoreKey{{9}})}));
  Result<Lookup> const found = ask({service.url()}, service.pinned());
  ASSERT_TRUE(found) << found.error().detail;
  ASSERT_EQ(found->endpoints.size(), 3U);
  EXPECT_EQ(found->endpoints[0].endpoint.replicator, pair_of(2).public_key);
  EXPECT_TRUE(found->endpoints[0].proven);
  EXPECT_FALSE(found->endpoints[1].proven);
  EXPECT_FALSE(found->endpoints[2].proven) << "a proof by another keyholder proves nothing";
}

TEST_F(DiscoveryClientTest, NeverSendsTheProjectKey) {
  Service service;
  service.answer(200, json_of({endpoint_of(1, kProject)}));
  LookupQuery query = LookupQuery::of_project(kProject);
  query.proven_only = true;
  ASSERT_TRUE(ask({service.url()}, service.pinned(), query));
  for (HttpRequest const& request : service.requests()) {
    EXPECT_EQ(request.target.find(kProject.hex()), std::string::npos);
    EXPECT_NE(request.target.find(keyholder_pair_of(kProject).public_key.hex()), std::string::npos);
  }
}

TEST_F(DiscoveryClientTest, DropsEndpointsWhoseRecordIsNotTheirs) {
  Service service;
  registration::Endpoint other = endpoint_of(1, kProject);
  other.replicator = pair_of(2).public_key;
  registration::Endpoint damaged = endpoint_of(3, kProject);
  damaged.record.back() ^= 1;
  service.answer(200, json_of({other, damaged, endpoint_of(4, kProject)}));
  Result<Lookup> const found = ask({service.url()}, service.pinned());
  ASSERT_TRUE(found);
  ASSERT_EQ(found->endpoints.size(), 1U);
  EXPECT_EQ(found->endpoints[0].endpoint.replicator, pair_of(4).public_key);
  service.answer(200, json_of({other}));
  Result<Lookup> const none = ask({service.url()}, service.pinned());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::Unavailable);
}

TEST(CheckEndpoints, AnExpiredProofCountsAsNone) {
  LookupQuery query = LookupQuery::of_project(kProject);
  registration::LookupAnswer const answer{{endpoint_of(1, kProject)}};
  std::uint64_t const now = unix_seconds();
  EXPECT_TRUE(check_endpoints(answer, query, now)[0].proven);
  EXPECT_FALSE(check_endpoints(answer, query, now + 7200)[0].proven);
  query.proven_only = true;
  EXPECT_TRUE(check_endpoints(answer, query, now + 7200).empty());
}

TEST_F(DiscoveryClientTest, TrustsAPinACaFileAndNothingElse) {
  Service service;
  service.answer(200, json_of({endpoint_of(1, kProject)}));
  EXPECT_TRUE(ask({service.url()}, service.pinned()));
  EXPECT_TRUE(ask({service.url()}, service.with_ca()));
  std::size_t const before = service.requests().size();

  HttpsOptions wrong = service.pinned();
  wrong.trust.pin->bytes[0] ^= 1;
  Service const other;
  for (HttpsOptions const& untrusted : {wrong, HttpsOptions{}, other.with_ca()}) {
    Result<Lookup> const found = ask({service.url()}, untrusted);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::BadHandshake) << found.error().detail;
  }
  EXPECT_EQ(service.requests().size(), before)
      << "no request may leave before the certificate passed";
}

TEST_F(DiscoveryClientTest, ACaDoesNotVouchForAnotherHost) {
  Service service;
  service.answer(200, json_of({endpoint_of(1, kProject)}));
  ServiceUrl elsewhere = service.url();
  elsewhere.host = "127.0.0.2";
  EXPECT_TRUE(ask({elsewhere}, service.pinned())) << "a pin names the certificate, not the host";
  EXPECT_EQ(ask({elsewhere}, service.with_ca()).error().code, ErrorCode::BadHandshake);
}

TEST_F(DiscoveryClientTest, AsksTheNextServiceWhenOneIsAwayOrDoesNotKnow) {
  Service unknown;
  unknown.answer(404, R"({"type":"urn:holdfast:problem:unknown-key","status":404})");
  Service knows;
  knows.answer(200, json_of({endpoint_of(1, kProject)}));
  ServiceUrl const away = *parse_service_url("https://127.0.0.1:1");
  // Three services with three certificates: a CA file would hold all; here only one is pinned.
  Result<Lookup> const found = ask({away, unknown.url(), knows.url()}, knows.pinned());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->service, knows.url().text);
}

TEST_F(DiscoveryClientTest, TellsUnknownFromUnavailable) {
  Service service;
  service.answer(404, R"({"type":"urn:holdfast:problem:unknown-key","status":404})");
  EXPECT_EQ(ask({service.url()}, service.pinned()).error().code, ErrorCode::NotFound);
  ServiceUrl const away = *parse_service_url("https://127.0.0.1:1");
  EXPECT_EQ(ask({service.url(), away}, service.pinned()).error().code, ErrorCode::Unavailable)
      << "the one that is away might know it";
  service.answer([](HttpRequest const&) {
    HttpResponse busy{.status = 503, .body = "{}"};
    busy.headers.set("Retry-After", "17");
    return busy;
  });
  EXPECT_EQ(ask({service.url()}, service.pinned()).error().code, ErrorCode::Unavailable);
  EXPECT_EQ(client_->failure().retry_after, Duration(17'000));
}

TEST_F(DiscoveryClientTest, RefusesAnswersThatAreTooLargeOrNotJson) {
  Service service;
  service.answer(200, std::string(2 * 1024 * 1024, ' '));
  EXPECT_EQ(ask({service.url()}, service.pinned()).error().code, ErrorCode::LimitExceeded);
  service.answer(200, "{\"endpoints\": 7}");
  EXPECT_EQ(ask({service.url()}, service.pinned()).error().code, ErrorCode::Malformed);
  service.answer(502, "<html>");
  EXPECT_EQ(ask({service.url()}, service.pinned()).error().code, ErrorCode::Unavailable);
  service.answer(302, "");
  EXPECT_FALSE(ask({service.url()}, service.pinned()));
}

TEST_F(DiscoveryClientTest, ASilentServiceCostsNoMoreThanTheTimeOut) {
  Service service;
  service.answer([](HttpRequest const&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
    return HttpResponse{.status = 404};
  });
  HttpsOptions options = service.pinned();
  options.answer_timeout = Duration(200);
  auto const before = std::chrono::steady_clock::now();
  EXPECT_EQ(ask({service.url()}, options).error().code, ErrorCode::Unavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1'200));
}

/// A service that wants a fresh nonce in each signed request and checks the signature.
HttpResponse strict_answer(Service const& service, HttpRequest const& request, int& serial,
                           std::string const& body) {
  std::string const expected = "nonce-" + std::to_string(serial);
  HttpResponse response{.status = 200, .body = body};
  if (request.path == "/nonce") {
    response.body = to_json(registration::NonceAnswer{expected});
    return response;
  }
  auto const header = [&](char const* name) {
    return std::string(request.headers.get(name).value_or(""));
  };
  Result<registration::SignatureParams> const proven = registration::verify_request(
      {request.method, service.url().text + request.target, as_bytes(request.body)},
      {header("Content-Digest"), header("Signature-Input"), header("Signature")});
  bool const fresh = proven && proven->nonce == expected;
  ++serial;
  response.headers.set("Replay-Nonce", "nonce-" + std::to_string(serial));
  if (!fresh) {
    response.status = 401;
    response.body = proven ? R"({"type":"urn:holdfast:problem:bad-nonce"})"
                           : R"({"type":"urn:holdfast:problem:bad-signature"})";
  }
  return response;
}

constexpr char const* kLease = R"({"lease":60,"renew_in":20,"projects":0,"state":"active"})";

class RegistrationClientTest : public DiscoveryClientTest {
 protected:
  void SetUp() override {
    DiscoveryClientTest::SetUp();
    record_ = record_of(pair_, "");
    client = std::move(*RegistrationClient::open(service.url(), service.pinned(), pair_));
    service.answer([this](HttpRequest const& request) {
      MutexLock const lock(mutex_);
      return strict_answer(service, request, serial_, kLease);
    });
  }
  void lose_nonces() {
    MutexLock const lock(mutex_);
    serial_ += 100;
  }

  KeyPair pair_ = pair_of(5);
  registration::SignedRecord record_;
  Service service;
  std::unique_ptr<RegistrationClient> client;

 private:
  Mutex mutex_;
  int serial_ HOLDFAST_GUARDED_BY(mutex_) = 1;
};

TEST_F(RegistrationClientTest, SignsWithTheNonceOfTheAnswerBefore) {
  ASSERT_TRUE(client->put_record(record_));
  ASSERT_TRUE(client->renew({}));
  Result<registration::LeaseAnswer> const lease = client->renew({});
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->lease_s, 60U);
  EXPECT_EQ(service.requests().size(), 4U) << "one nonce is fetched, the others come along";
}

TEST_F(RegistrationClientTest, TriesOnceMoreWithAFreshNonce) {
  ASSERT_TRUE(client->put_record(record_));
  lose_nonces();
  ASSERT_TRUE(client->renew({}));
  EXPECT_EQ(service.requests().size(), 4U);
}

TEST_F(RegistrationClientTest, GivesUpOnAServiceThatRefusesEveryNonce) {
  service.answer([](HttpRequest const& request) {
    HttpResponse response{.status = 401, .body = R"({"type":"urn:holdfast:problem:bad-nonce"})"};
    response.headers.set("Replay-Nonce", "again");
    if (request.path != "/nonce") return response;
    return HttpResponse{.body = R"({"nonce":"first"})"};
  });
  Result<registration::LeaseAnswer> const refused = client->renew({});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::BadSignature);
  EXPECT_EQ(service.requests().size(), 3U);
}

TEST_F(RegistrationClientTest, TellsAnUnknownLeaseAndAConflictApart) {
  service.answer([](HttpRequest const& request) {
    if (request.path == "/nonce") return HttpResponse{.body = R"({"nonce":"n"})"};
    bool const renewing = request.method == "POST";
    return HttpResponse{.status = renewing ? 404 : 409,
                        .body = renewing ? R"({"type":"urn:holdfast:problem:unknown-lease"})"
                                         : R"({"type":"urn:holdfast:problem:seq-conflict"})"};
  });
  EXPECT_EQ(client->renew({}).error().code, ErrorCode::NotFound);
  EXPECT_EQ(client->put_record(record_).error().code, ErrorCode::Conflict);
  ASSERT_TRUE(client->failure().problem);
  EXPECT_EQ(client->failure().problem->type, registration::ProblemType::SeqConflict);
}

TEST_F(RegistrationClientTest, CancelEndsWhatIsUnderWay) {
  service.answer([](HttpRequest const&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2'000));
    return HttpResponse{.status = 404};
  });
  auto waiting = std::async(std::launch::async, [&] { return client->whoami().ok(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  auto const before = std::chrono::steady_clock::now();
  client->cancel();
  EXPECT_FALSE(waiting.get());
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(1'500));
  EXPECT_FALSE(client->whoami());
}

}  // namespace
}  // namespace holdfast::net
