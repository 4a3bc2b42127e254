#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "discovery/http/admission.h"
#include "discovery/http/info_routes.h"
#include "discovery/http/operator_routes.h"
#include "discovery/http/replicator_routes.h"
#include "discovery/store/memory_store.h"
#include "registration/api.h"
#include "registration/http_signature.h"
#include "registration/record.h"

namespace holdfast::discovery {

/// Tests that end when the test says so.
class FakeSelfTests final : public SelfTests {
 public:
  explicit FakeSelfTests(RecordStore& store) : store_(store) {}
  void begin(ReplicatorEntry const& entry) override {
    ++begun;
    running_.insert(entry.id);
  }
  bool is_running(PublicKey const& id) const override { return running_.contains(id); }
  void end(PublicKey const& id, bool passed, std::string transcript = "connect failed") {
    running_.erase(id);
    Health health;
    health.self_test = passed ? SelfTest::Passed : SelfTest::Failed;
    if (!passed) health.transcript = std::move(transcript);
    EXPECT_TRUE(store_.set_health(id, health).ok());
  }
  int begun = 0;

 private:
  RecordStore& store_;
  std::set<PublicKey> running_;
};

class SilentObserver final : public ApiObserver {
 public:
  void on_lookup(std::optional<registration::ProblemType>) override {}
  void on_write(WriteRoute, std::optional<registration::ProblemType>) override {}
};

/// A service that decides over registrations, without network: nodes speak to it from any address.
class RegistrationFixture : public testing::Test {
 protected:
  static constexpr char kUrl[] = "https://discovery.example.org";
  static constexpr char kHome[] = "198.41.0.4";  ///< Where a node speaks from, unless it says.

  RegistrationFixture() { EXPECT_TRUE(init_crypto().ok()); }

  /// Call once, first.
  void serve(AdmissionOptions options = {}, AdmissionFiles files = {}, bool with_tests = true) {
    admission_options = std::move(options);
    admission_files = std::move(files);
    with_self_tests = with_tests;
    restart();
  }
  /// The same service with an empty store.
  void restart() {
    routes.reset();
    store = make_memory_store(store_options, [this] { return now_ms; });
    admission = std::make_unique<Admission>(*store, admission_options);
    admission->set_files(admission_files);
    store->watch(*admission);
    tests = std::make_unique<FakeSelfTests>(*store);
    RegistrationParts parts{.admission = admission.get(),
                            .tests = with_self_tests ? tests.get() : nullptr,
                            .receipt_secret = secret};
    OwnUrls const own = *OwnUrls::parse({kUrl});
    router = std::make_unique<Router>();
    routes = std::make_unique<ReplicatorRoutes>(*store, own, observer, parts);
    routes->add_routes(*router);
    info = std::make_unique<InfoRoutes>(*store, own, "0.1.0", parts);
    info->add_routes(*router);
    orders = std::make_unique<OperatorRoutes>(*store, *admission, [](HttpRequest&) {
      HttpResponse response;
      response.body = "{}";
      return HttpOutcome(response);
    });
    orders->add_routes(*router);
  }

  static KeyPair pair_of(unsigned number) {
    Seed seed;
    seed.bytes[0] = static_cast<Byte>(number);
    seed.bytes[1] = static_cast<Byte>(number >> 8);
    return KeyPair::from_seed(seed);
  }

  struct Put {
    unsigned node = 1;
    std::string from = kHome;
    std::uint64_t seq = 1;
    std::string host{};  ///< Empty: the source.
    std::uint16_t port = 4838;
    std::string url{};  ///< Then it is a ws address.
    std::string token{};
    Bytes receipt{};
  };
  static registration::SignedRecord record_of(Put const& put) {
    KeyPair const pair = pair_of(put.node);
    registration::Record record;
    record.id = pair.public_key;
    record.seq = put.seq;
    registration::Address address{registration::AddressKind::Tcp, put.host, put.port, ""};
    if (!put.url.empty()) address = {registration::AddressKind::WebSocket, "", 0, put.url};
    record.addresses = {address};
    return *registration::sign_record(record, pair);
  }
  HttpRequest put_request(Put const& put) {
    return signed_request(
        put.node, "PUT", "",
        registration::to_json(registration::RegistrationRequest{
            .record = record_of(put).bytes, .receipt = put.receipt, .token = put.token}),
        put.from);
  }
  HttpRequest signed_request(unsigned node, std::string method, std::string const& rest,
                             std::string body, std::string const& from) {
    KeyPair const pair = pair_of(node);
    HttpRequest request;
    request.method = std::move(method);
    request.path = request.target = "/replicators/" + pair.public_key.hex() + rest;
    request.body = std::move(body);
    request.peer = {from, 1};
    std::string const uri = kUrl + request.target;
    registration::SignatureHeaders const fields = registration::sign_request(
        {.method = request.method, .target_uri = uri, .body = as_bytes(request.body)},
        {.created_unix_s = 1, .nonce = nonce(), .key_id = pair.public_key}, pair);
    request.headers.add("Content-Digest", fields.content_digest);
    request.headers.add("Signature-Input", fields.signature_input);
    request.headers.add("Signature", fields.signature);
    return request;
  }
  std::string nonce() { return std::string(*get("/nonce").headers.get("Replay-Nonce")); }
  HttpResponse get(std::string const& target, std::string const& from = kHome) {
    HttpRequest request;
    request.method = "GET";
    request.path = request.target = target;
    request.peer = {from, 1};
    return std::get<HttpResponse>(router->handle(request));
  }
  HttpResponse order(std::string const& action, nlohmann::json const& body) {
    HttpRequest request;
    request.method = "POST";
    request.path = request.target = "/operator/" + action;
    request.body = body.dump();
    return std::get<HttpResponse>(router->handle(request));
  }

  /// Registers; a test that it leads to ends as `passes` says.
  HttpResponse register_node(Put const& put, bool passes = true) {
    HttpRequest request = put_request(put);
    HttpOutcome outcome = router->handle(request);
    if (HttpResponse* const at_once = std::get_if<HttpResponse>(&outcome))
      return std::move(*at_once);
    EXPECT_EQ(std::get<WaitFor>(outcome).event, SelfTests::event_of(pair_of(put.node).public_key));
    tests->end(pair_of(put.node).public_key, passes);
    request.call = Call::Event;
    return std::get<HttpResponse>(router->handle(request));
  }
  HttpResponse send(unsigned node, std::string method, std::string const& rest, std::string body,
                    std::string const& from = kHome) {
    HttpRequest request = signed_request(node, std::move(method), rest, std::move(body), from);
    return response_of(router->handle(request));
  }
  static HttpResponse response_of(HttpOutcome outcome) {
    if (Later const* const later = std::get_if<Later>(&outcome)) return later->finish();
    return std::get<HttpResponse>(std::move(outcome));
  }
  HttpResponse renew(unsigned node, std::string const& from = kHome) {
    return send(node, "POST", "/renew", "{}", from);
  }
  HttpResponse list_keys(unsigned node, Byte first, std::size_t count) {
    registration::ProjectsRequest request;
    for (std::size_t i = 0; i < count; ++i) {
      registration::ProjectListing listing;
      listing.key.bytes[0] = first;
      listing.key.bytes[1] = static_cast<Byte>(i);
      listing.key.bytes[2] = static_cast<Byte>(i >> 8);
      request.add.push_back(listing);
    }
    return send(node, "POST", "/projects", registration::to_json(request));
  }
  static nlohmann::json body_of(HttpResponse const& response) {
    return nlohmann::json::parse(response.body);
  }
  static std::string type_of(HttpResponse const& response) {
    std::string const type = body_of(response).value("type", "");
    return type.substr(type.rfind(':') + 1);
  }
  static std::string id_of(unsigned node) { return pair_of(node).public_key.hex(); }

  std::uint64_t now_ms = 1'767'225'600'000;
  Hash const secret = blake2b({as_bytes(std::string_view("secret"))});
  StoreOptions store_options;  ///< Set before serve().
  AdmissionOptions admission_options;
  AdmissionFiles admission_files;
  bool with_self_tests = true;
  SilentObserver observer;
  std::unique_ptr<Admission> admission;
  std::unique_ptr<RecordStore> store;
  std::unique_ptr<FakeSelfTests> tests;
  std::unique_ptr<Router> router;
  std::unique_ptr<ReplicatorRoutes> routes;
  std::unique_ptr<InfoRoutes> info;
  std::unique_ptr<OperatorRoutes> orders;
};

}  // namespace holdfast::discovery
