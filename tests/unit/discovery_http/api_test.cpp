#include "discovery/http/api.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "crypto/keys.h"
#include "discovery/http/lookup_service.h"
#include "discovery/registry/watcher_fan.h"
#include "discovery/store/memory_store.h"
#include "registration/api.h"
#include "registration/http_signature.h"
#include "registration/record.h"
#include "support/held_requests.h"
#include "support/record_store_double.h"

namespace holdfast::discovery {
namespace {

using registration::ProblemType;

constexpr char kOwnUrl[] = "https://discovery.example.org";

KeyPair pair_of(Byte number) {
  Seed seed;
  seed.bytes.fill(number);
  return KeyPair::from_seed(seed);
}

CoreKey const kProject = [] {
  CoreKey key;
  key.bytes.fill(7);
  return key;
}();

class CountingObserver final : public ApiObserver {
 public:
  void on_lookup(std::optional<ProblemType> problem) override { lookups.push_back(problem); }
  void on_write(WriteRoute route, std::optional<ProblemType> problem) override {
    writes.emplace_back(route, problem);
  }
  std::vector<std::optional<ProblemType>> lookups;
  std::vector<std::pair<WriteRoute, std::optional<ProblemType>>> writes;
};

/// A store that does not answer while `down`.
class FlakyStore final : public RecordStoreDouble {
 public:
  explicit FlakyStore(std::unique_ptr<RecordStore> inner)
      : RecordStoreDouble(inner.get()), inner_(std::move(inner)) {}
  std::atomic<bool> down{false};

 protected:
  std::optional<Unexpected> refusal() override {
    if (!down) return std::nullopt;
    return Unexpected(ErrorCode::Unavailable, "the store does not answer");
  }

 private:
  std::unique_ptr<RecordStore> inner_;
};

class ApiTest : public testing::Test {
 protected:
  ApiTest()
      : store(make_memory_store(StoreOptions{}, [this] { return now_ms.load(); })),
        api(store, *OwnUrls::parse({kOwnUrl, "https://second.example.org:8443"}), observer,
            "0.1.0"),
        lookups(
            store, observer, {}, [this](std::string const& event) { held.notify(event); },
            [this] { return Instant(Duration(static_cast<std::int64_t>(now_ms - kStartMs))); }) {
    EXPECT_TRUE(init_crypto().ok());
    api.add_routes(router);
    lookups.add_routes(router);
    store.watch(watchers);
    lookups.start();
  }
  ~ApiTest() override { lookups.stop(); }

  HttpResponse send(HttpRequest request) {
    std::string const target = request.target;
    std::size_t const mark = target.find('?');
    request.path = target.substr(0, mark);
    if (mark != std::string::npos) {
      for (std::string rest = target.substr(mark + 1); !rest.empty();) {
        std::string const item = rest.substr(0, rest.find('&'));
        rest.erase(0, item.size() + (item.size() < rest.size() ? 1 : 0));
        request.query.emplace(item.substr(0, item.find('=')), item.substr(item.find('=') + 1));
      }
    }
    request.peer = {"203.0.113.7", 1};
    return held.answer(router, request);
  }
  HttpResponse get(std::string const& target) {
    HttpRequest request;
    request.method = "GET";
    request.target = target;
    return send(request);
  }
  std::string nonce() { return std::string(*get("/nonce").headers.get("Replay-Nonce")); }

  struct Signing {
    std::optional<KeyPair> key{};  ///< By default `node`.
    std::string base = kOwnUrl;
    std::string host = "discovery.example.org";
    std::optional<std::string> nonce{};  ///< By default a fresh one.
  };
  HttpRequest signed_request(std::string method, std::string target, std::string body,
                             Signing how) {
    HttpRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = std::move(body);
    KeyPair const key = how.key.value_or(node);
    std::string const uri = how.base + request.target;
    registration::SignatureHeaders const fields = registration::sign_request(
        {.method = request.method, .target_uri = uri, .body = as_bytes(request.body)},
        {.created_unix_s = 1, .nonce = how.nonce ? *how.nonce : nonce(), .key_id = key.public_key},
        key);
    request.headers.add("Host", how.host);
    request.headers.add("Content-Digest", fields.content_digest);
    request.headers.add("Signature-Input", fields.signature_input);
    request.headers.add("Signature", fields.signature);
    return request;
  }
  HttpResponse write(std::string method, std::string const& rest, std::string body) {
    return send(signed_request(std::move(method), path() + rest, std::move(body), {}));
  }

  std::string path() const { return "/replicators/" + node.public_key.hex(); }
  std::string record_json(std::uint64_t seq = 1, std::uint16_t port = 4838) const {
    registration::Record record;
    record.id = node.public_key;
    record.seq = seq;
    record.addresses = {{.kind = registration::AddressKind::Tcp,
                         .host = "node.example.org",
                         .port = port,
                         .url = ""}};
    record.region = "eu";
    return registration::to_json(registration::RegistrationRequest{
        .record = registration::sign_record(record, node)->bytes});
  }
  std::string projects_json(bool with_proof = true) const {
    registration::ProjectsRequest request;
    registration::ProjectListing listing;
    listing.key = discovery_key_of(kProject);
    if (with_proof) {
      listing.proof = registration::make_keyholder_proof(
          keyholder_pair_of(kProject), node.public_key, listing.key, now_ms / 1000 + 1000);
    }
    request.add = {listing};
    return registration::to_json(request);
  }
  void register_with_project() {
    ASSERT_EQ(write("PUT", "", record_json()).status, 200);
    ASSERT_EQ(write("POST", "/projects", projects_json()).status, 200);
  }
  static std::string type_of(HttpResponse const& response) {
    std::string const type = nlohmann::json::parse(response.body).value("type", "");
    return type.substr(type.rfind(':') + 1);
  }
  std::string sync_path() const { return "/project/" + discovery_key_of(kProject).hex() + "/sync"; }

  static constexpr std::uint64_t kStartMs = 1'767'225'500'000;
  std::atomic<std::uint64_t> now_ms{kStartMs + 100'000};
  KeyPair const node = pair_of(1);
  CountingObserver observer;
  HeldRequests held;
  FlakyStore store;
  Api api;
  LookupService lookups;
  WatcherFan watchers{lookups.watchers()};
  Router router;
};

TEST_F(ApiTest, ARegisteredProjectIsFound) {
  register_with_project();
  HttpResponse const response = get(sync_path());
  ASSERT_EQ(response.status, 200) << response.body;
  Result<registration::LookupAnswer> const answer =
      registration::lookup_answer_from_json(response.body);
  ASSERT_TRUE(answer.ok());
  ASSERT_EQ(answer->endpoints.size(), 1u);
  EXPECT_EQ(answer->endpoints[0].replicator, node.public_key);
  EXPECT_EQ(answer->endpoints[0].host, "node.example.org");
  EXPECT_EQ(answer->endpoints[0].expires_in_s, 60u);
  EXPECT_EQ(response.headers.get("Cache-Control"), "public, max-age=30");
  EXPECT_EQ(response.headers.get("Access-Control-Allow-Origin"), "*");
  nlohmann::json const simple = nlohmann::json::parse(response.body);
  EXPECT_EQ(simple["host"], "node.example.org");
  EXPECT_EQ(simple["port"], 4838);
}

TEST_F(ApiTest, TheLeaseRunsDownAndOut) {
  register_with_project();
  now_ms += 45'500;
  EXPECT_EQ(registration::lookup_answer_from_json(get(sync_path()).body)->endpoints[0].expires_in_s,
            14u);
  now_ms += 14'500;
  HttpResponse const response = get(sync_path());
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(type_of(response), "nobody-can-serve");
  EXPECT_TRUE(response.headers.get("Retry-After"));
  EXPECT_EQ(type_of(write("POST", "/renew", "{}")), "unknown-lease");
}

TEST_F(ApiTest, LookupsRefuseWhatTheyCannotRead) {
  EXPECT_EQ(type_of(get("/project/xyz/sync")), "malformed-key");
  EXPECT_EQ(type_of(get(sync_path() + "?transport=udp")), "malformed-request");
  EXPECT_EQ(type_of(get(sync_path() + "?keyholder=1")), "malformed-request");
  EXPECT_EQ(type_of(get(sync_path() + "?wait=61")), "malformed-request");
  EXPECT_EQ(type_of(get(sync_path() + "?region=" + std::string(65, 'a'))), "malformed-request");
  EXPECT_EQ(type_of(get(sync_path() + "?wait=60")), "unknown-key");
}

TEST_F(ApiTest, APastedProjectKeyIsToldAndNotRepeated) {
  register_with_project();
  HttpResponse const response = get("/project/" + kProject.hex() + "/sync");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(type_of(response), "project-key-sent");
  EXPECT_EQ(response.body.find(kProject.hex()), std::string::npos);
}

TEST_F(ApiTest, KeyholderFilterKeepsStrangersOut) {
  register_with_project();
  EXPECT_EQ(get(sync_path() + "?keyholder=" + keyholder_pair_of(kProject).public_key.hex()).status,
            200);
  EXPECT_EQ(get(sync_path() + "?keyholder=" + pair_of(9).public_key.hex()).status, 404);
}

TEST_F(ApiTest, ARequestCountsOnce) {
  HttpRequest const request = signed_request("PUT", path(), record_json(), {});
  EXPECT_EQ(send(request).status, 200);
  HttpResponse const replay = send(request);
  EXPECT_EQ(replay.status, 401);
  EXPECT_EQ(type_of(replay), "bad-nonce");
  ASSERT_TRUE(replay.headers.get("Replay-Nonce"));
  std::string const fresh(*replay.headers.get("Replay-Nonce"));
  EXPECT_EQ(send(signed_request("PUT", path(), record_json(), {.nonce = fresh})).status, 200);
}

TEST_F(ApiTest, ABadSignatureDoesNotSpendTheNonce) {
  std::string const shared = nonce();
  HttpRequest request = signed_request("PUT", path(), record_json(), {.nonce = shared});
  request.target = "/replicators/" + node.public_key.hex() + "?x=1";
  EXPECT_EQ(type_of(send(request)), "bad-signature");
  EXPECT_EQ(send(signed_request("PUT", path(), record_json(), {.nonce = shared})).status, 200);
}

TEST_F(ApiTest, NobodyWritesUnderAnothersId) {
  KeyPair const thief = pair_of(2);
  EXPECT_EQ(type_of(send(signed_request("DELETE", path(), "", {.key = thief}))), "not-yours");
  std::string const own_path = "/replicators/" + thief.public_key.hex();
  EXPECT_EQ(type_of(send(signed_request("PUT", own_path, record_json(), {.key = thief}))),
            "not-yours");
}

TEST_F(ApiTest, OnlyOwnUrlsAreTargets) {
  EXPECT_EQ(send(signed_request("PUT", path(), record_json(),
                                {.base = "https://second.example.org:8443", .host = "anything"}))
                .status,
            200);
  HttpResponse const other =
      send(signed_request("PUT", path(), record_json(),
                          {.base = "https://evil.example.org", .host = "evil.example.org"}));
  EXPECT_EQ(other.status, 421);
  EXPECT_EQ(type_of(other), "wrong-target");
  HttpResponse const forwarded =
      send(signed_request("PUT", path(), record_json(), {.base = "https://evil.example.org"}));
  EXPECT_EQ(type_of(forwarded), "bad-signature") << "Host decides nothing";
}

TEST_F(ApiTest, ABodyMustBeTheSignedOne) {
  HttpRequest request = signed_request("PUT", path(), record_json(), {});
  request.body = record_json(2);
  EXPECT_EQ(type_of(send(request)), "bad-digest");
}

TEST_F(ApiTest, SignatureFieldsAreNeededOnceEach) {
  HttpRequest bare;
  bare.method = "PUT";
  bare.target = path();
  EXPECT_EQ(type_of(send(bare)), "bad-signature");
  HttpRequest twice = signed_request("PUT", path(), record_json(), {});
  twice.headers.add("Signature", "sig=:AAAA:");
  EXPECT_EQ(type_of(send(twice)), "bad-signature");
  HttpRequest garbled = signed_request("PUT", path(), record_json(), {});
  garbled.headers.set("Signature-Input", "sig=()");
  EXPECT_EQ(type_of(send(garbled)), "malformed-request");
}

TEST_F(ApiTest, LowerSeqIsToldTheRecordThatIsKept) {
  EXPECT_EQ(write("PUT", "", record_json(5)).status, 200);
  HttpResponse const response = write("PUT", "", record_json(4));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(type_of(response), "seq-conflict");
  EXPECT_TRUE(nlohmann::json::parse(response.body).contains("record"));
  EXPECT_EQ(write("PUT", "", record_json(5)).status, 200) << "the same bytes again are fine";
  EXPECT_EQ(write("PUT", "", record_json(5, 4839)).status, 409);
}

TEST_F(ApiTest, ForgedRecordsAndProofsAreRefused) {
  EXPECT_EQ(type_of(write("PUT", "", R"({"record":"AAAA"})")), "bad-record");
  EXPECT_EQ(type_of(write("PUT", "", "{")), "malformed-request");
  ASSERT_EQ(write("PUT", "", record_json()).status, 200);
  now_ms += 1'000;
  std::string forged = projects_json();
  nlohmann::json body = nlohmann::json::parse(forged);
  body["add"][0]["proof"]["expires"] = body["add"][0]["proof"]["expires"].get<std::uint64_t>() + 1;
  HttpResponse const response = write("POST", "/projects", body.dump());
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(type_of(response), "bad-proof");
  EXPECT_EQ(get(sync_path()).status, 404) << "nothing of the batch counts";
}

TEST_F(ApiTest, DrainingLeavesTheAnswersAtOnce) {
  register_with_project();
  EXPECT_EQ(write("POST", "/renew", R"({"state":"draining"})").status, 200);
  EXPECT_EQ(get(sync_path()).status, 503);
}

TEST_F(ApiTest, DeregisteringForgets) {
  register_with_project();
  EXPECT_EQ(write("DELETE", "", "").status, 204);
  EXPECT_EQ(get(sync_path()).status, 404);
  EXPECT_EQ(type_of(get(path())), "unknown-replicator");
  EXPECT_EQ(type_of(write("DELETE", "", "")), "unknown-replicator");
}

TEST_F(ApiTest, ReplicatorsAreListedInPages) {
  register_with_project();
  EXPECT_EQ(nlohmann::json::parse(get(path()).body)["observed_address"], "203.0.113.7");
  nlohmann::json const page = nlohmann::json::parse(get("/replicators?limit=1").body);
  ASSERT_EQ(page["replicators"].size(), 1u);
  EXPECT_EQ(page["next"], node.public_key.hex());
  EXPECT_EQ(
      nlohmann::json::parse(get("/replicators?after=" + node.public_key.hex()).body)["replicators"]
          .size(),
      0u);
  EXPECT_EQ(type_of(get("/replicators?limit=0")), "malformed-request");
  EXPECT_EQ(type_of(get("/replicators?limit=1001")), "malformed-request");
  EXPECT_EQ(type_of(get("/replicators?after=x")), "malformed-key");
}

TEST_F(ApiTest, AStoreThatIsDownIs503WithRetryAfterEverywhere) {
  register_with_project();
  HttpRequest const put = signed_request("PUT", path(), record_json(), {});
  store.down = true;
  for (HttpResponse const& response : {get(sync_path()), get("/nonce"), get("/whoami"),
                                       get("/replicators"), get(path()), send(put)}) {
    EXPECT_EQ(response.status, 503);
    EXPECT_EQ(type_of(response), "store-unavailable");
    EXPECT_TRUE(response.headers.get("Retry-After"));
  }
  EXPECT_EQ(get("/").status, 200);
  store.down = false;
  now_ms += 500;
  EXPECT_EQ(get(sync_path()).status, 200);
  EXPECT_EQ(send(put).status, 200) << "the nonce was not spent";
}

TEST_F(ApiTest, OutcomesAreCountedByTheirProblem) {
  register_with_project();
  get(sync_path());
  get("/project/xyz/sync");
  ASSERT_EQ(observer.lookups.size(), 2u);
  EXPECT_EQ(observer.lookups[0], std::nullopt);
  EXPECT_EQ(observer.lookups[1], ProblemType::MalformedKey);
  ASSERT_EQ(observer.writes.size(), 2u);
  EXPECT_EQ(observer.writes[1], (std::pair{WriteRoute::Projects, std::optional<ProblemType>()}));
}

}  // namespace
}  // namespace holdfast::discovery
