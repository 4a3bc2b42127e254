#include "discovery/http/lookup_routes.h"

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "discovery/http/lookup_answers.h"
#include "discovery/http/lookup_service.h"
#include "discovery/registry/watcher_fan.h"
#include "discovery/store/memory_store.h"
#include "registration/api.h"
#include "support/held_requests.h"
#include "support/record_store_double.h"

namespace holdfast::discovery {
namespace {

using registration::ProblemType;

KeyPair pair_of(Byte number) {
  Seed seed;
  seed.bytes.fill(number);
  return KeyPair::from_seed(seed);
}

CoreKey project_of(Byte number) {
  CoreKey key;
  key.bytes.fill(number);
  return key;
}

class LookupCounter final : public ApiObserver {
 public:
  void on_lookup(std::optional<ProblemType>) override { ++count; }
  void on_write(WriteRoute, std::optional<ProblemType>) override {}
  std::atomic<int> count{0};
};

/// A store that can be away, and that can be held up in the middle of a read.
class SlowStore final : public RecordStoreDouble {
 public:
  explicit SlowStore(std::unique_ptr<RecordStore> inner)
      : RecordStoreDouble(inner.get()), inner_(std::move(inner)) {}
  Result<HostingSet> hosting_of(DiscoveryKey const& key) override {
    ++reads;
    Result<HostingSet> set = RecordStoreDouble::hosting_of(key);
    MutexLock const lock(mutex_);
    while (is_held_) changed_.wait(mutex_);
    return set;
  }
  void hold(bool on) {
    MutexLock const lock(mutex_);
    is_held_ = on;
    changed_.notify_all();
  }
  std::atomic<bool> down{false};
  std::atomic<int> reads{0};

 protected:
  std::optional<Unexpected> refusal() override {
    if (!down) return std::nullopt;
    return Unexpected(ErrorCode::Unavailable, "the store does not answer");
  }

 private:
  std::unique_ptr<RecordStore> inner_;
  Mutex mutex_;
  CondVar changed_;
  bool is_held_ HOLDFAST_GUARDED_BY(mutex_) = false;
};

class FakeActivator final : public Activator {
 public:
  Begun begin(DiscoveryKey const&, RegionWish const&, HttpRequest const&) override {
    ++asked;
    return begun;
  }
  std::atomic<Begun> begun{Begun::NotAllowed};
  std::atomic<int> asked{0};
};

class LookupRoutesTest : public testing::Test {
 protected:
  explicit LookupRoutesTest(LookupServiceOptions const& options = {})
      : store(make_memory_store(StoreOptions{}, [this] { return now_ms.load(); })),
        lookups(
            store, observer, options, [this](std::string const& event) { held.notify(event); },
            [this] { return Instant(Duration(static_cast<std::int64_t>(now_ms - kStartMs))); }) {
    EXPECT_TRUE(init_crypto().ok());
    lookups.add_routes(router);
    store.watch(watchers);
    lookups.start();
  }
  ~LookupRoutesTest() override {
    store.hold(false);
    lookups.stop();
  }

  void add_node(Byte number, std::string region = {}) {
    registration::Record record;
    record.id = pair_of(number).public_key;
    record.seq = 1;
    record.region = std::move(region);
    record.addresses = {{registration::AddressKind::Tcp, "node.example.org", 4838, ""}};
    Health health;
    health.self_test = SelfTest::Passed;
    auto const signed_record = registration::sign_record(record, pair_of(number));
    ASSERT_TRUE(store.put_registration(*signed_record, "203.0.113.9", health).ok());
  }
  void list(Byte number, Byte project) {
    registration::ProjectsRequest request;
    request.add = {{.key = key_of(project), .proof = std::nullopt}};
    ASSERT_TRUE(store.change_projects(pair_of(number).public_key, request).ok());
  }
  static DiscoveryKey key_of(Byte project) { return discovery_key_of(project_of(project)); }
  static std::string path_of(Byte project) { return "/project/" + key_of(project).hex() + "/sync"; }

  HttpRequest request(std::string const& path, std::string const& query = {},
                      std::string const& from = "203.0.113.7") {
    HttpRequest out;
    out.method = "GET";
    out.path = path;
    out.target = query.empty() ? path : path + "?" + query;
    for (std::string rest = query; !rest.empty();) {
      std::string const item = rest.substr(0, rest.find('&'));
      rest.erase(0, item.size() + (item.size() < rest.size() ? 1 : 0));
      out.query.emplace(item.substr(0, item.find('=')), item.substr(item.find('=') + 1));
    }
    out.peer = {from, 1, IpAddress::parse(from)};
    return out;
  }
  HttpResponse get(std::string const& path, std::string const& query = {}) {
    return held.answer(router, request(path, query));
  }
  /// As the transport asks the fast handler. Returns: nothing if it leaves the request to the other.
  std::optional<FastResponse> get_fast(std::string const& path, std::string const& query = {},
                                       std::vector<FieldView> const& fields = {},
                                       std::string const& from = "203.0.113.7") {
    std::string_view param;
    Router::FastRoute const* const route = router.find_fast(path, param);
    if (route == nullptr) return std::nullopt;
    PeerAddress const peer{from, 1, IpAddress::parse(from)};
    FastResponse response;
    FastRequest const plain{.param = param, .query = query, .peer = peer, .fields = fields};
    if (route->handler(plain, response) != FastOutcome::Answered) return std::nullopt;
    return response;
  }
  static std::string lines_of(HttpResponse const& response) {
    std::string out;
    for (auto const& [name, value] : response.headers.fields()) {
      if (!name.starts_with("Access-Control-")) out += name + ": " + value + "\r\n";
    }
    return out;
  }
  static std::string type_of(HttpResponse const& response) {
    std::string const type = nlohmann::json::parse(response.body).value("type", "");
    return type.substr(type.rfind(':') + 1);
  }

  static constexpr std::uint64_t kStartMs = 1'767'225'500'000;
  std::atomic<std::uint64_t> now_ms{kStartMs + 100'000};
  LookupCounter observer;
  HeldRequests held;
  SlowStore store;
  LookupService lookups;
  WatcherFan watchers{lookups.watchers()};
  Router router;
};

TEST_F(LookupRoutesTest, BothWaysGiveTheSameAnswer) {
  add_node(1, "eu");
  add_node(2, "us");
  list(1, 7);
  list(2, 7);
  ASSERT_EQ(get(path_of(7)).status, 200);
  std::string const etag(*get(path_of(7)).headers.get("ETag"));
  for (char const* const query : {"", "region=eu", "region=us&wait=3", "transport=tcp", "x=1&y=2",
                                  "wait=0", "transport=ws", "transport=udp", "wait=61", "region"}) {
    std::vector<std::string> const validators = {"", etag, "\"other\", W/" + etag};
    for (std::string const& known : validators) {
      std::vector<FieldView> fields;
      HttpRequest general = request(path_of(7), query);
      if (!known.empty()) {
        fields.push_back({"if-none-match", known});
        general.headers.add("If-None-Match", known);
      }
      std::optional<FastResponse> const fast = get_fast(path_of(7), query, fields);
      HttpResponse const slow = held.answer(router, general);
      if (!fast) continue;
      EXPECT_EQ(fast->status, slow.status) << query;
      EXPECT_EQ(fast->body, slow.body) << query;
      EXPECT_EQ(fast->headers, lines_of(slow)) << query;
      EXPECT_EQ(fast->content_type, slow.content_type);
    }
  }
  EXPECT_TRUE(get_fast(path_of(7), "region=eu"));
  EXPECT_FALSE(get_fast(path_of(7), "wait=61"));
  EXPECT_FALSE(get_fast(path_of(7), "transport=ws"))
      << "nobody speaks it: for the other way to say";
}

TEST_F(LookupRoutesTest, TheFastWayLeavesAllButHitsAlone) {
  add_node(1);
  list(1, 7);
  EXPECT_FALSE(get_fast(path_of(7))) << "not fetched yet";
  EXPECT_EQ(observer.count, 0);
  get(path_of(7));
  EXPECT_TRUE(get_fast(path_of(7)));
  EXPECT_FALSE(get_fast(path_of(8)));
  EXPECT_FALSE(get_fast("/project/xyz/sync"));
  EXPECT_FALSE(get_fast(path_of(7), "trace=1"));
  EXPECT_FALSE(get_fast(path_of(7), "peers=1"));
  EXPECT_FALSE(get_fast(path_of(7), "wait=1&wait=2"));
  EXPECT_EQ(get(path_of(8)).status, 404) << "asking the fast way did not begin a fetch";
}

TEST_F(LookupRoutesTest, AnAnswerMayBeKeptForHalfOfWhatIsLeft) {
  add_node(1);
  list(1, 7);
  now_ms += 9'000;
  HttpResponse const response = get(path_of(7));
  EXPECT_EQ(response.headers.get("Cache-Control"), "public, max-age=25");
  EXPECT_EQ(response.headers.get("Vary"), "Accept");
  EXPECT_FALSE(response.headers.get("Age"));
}

TEST_F(LookupRoutesTest, WhatDidNotChangeIsNotSentAgain) {
  add_node(1);
  list(1, 7);
  std::string const etag(*get(path_of(7)).headers.get("ETag"));
  now_ms += 10'000;
  HttpRequest again = request(path_of(7));
  again.headers.add("If-None-Match", etag);
  HttpResponse const same = held.answer(router, again);
  EXPECT_EQ(same.status, 304);
  EXPECT_TRUE(same.body.empty());
  EXPECT_EQ(same.headers.get("ETag"), etag);
  EXPECT_EQ(same.headers.get("Holdfast-Expires-In"), "50");
  add_node(2);
  list(2, 7);
  HttpResponse const changed = held.answer(router, again);
  EXPECT_EQ(changed.status, 200);
  EXPECT_NE(changed.headers.get("ETag"), etag);
}

TEST_F(LookupRoutesTest, ManyAskersOfAColdKeyAreOneRead) {
  add_node(1);
  list(1, 7);
  store.hold(true);
  std::atomic<int> good{0};
  std::vector<std::thread> askers;
  for (int i = 0; i < 20; ++i) {
    askers.emplace_back([&] { good += get(path_of(7)).status == 200 ? 1 : 0; });
  }
  while (lookups.directory().counters().misses == 0) std::this_thread::yield();
  store.hold(false);
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(good, 20);
  EXPECT_EQ(store.reads, 1);
}

TEST_F(LookupRoutesTest, AChangeDuringAReadIsSeen) {
  add_node(1);
  store.hold(true);
  HttpResponse response;
  std::thread asker([&] { response = get(path_of(7)); });
  while (store.reads == 0) std::this_thread::yield();
  list(1, 7);
  store.hold(false);
  asker.join();
  EXPECT_EQ(response.status, 200) << "the read was from before the key was listed";
}

TEST_F(LookupRoutesTest, AStoreThatIsAwayIs503WithRetryAfter) {
  store.down = true;
  HttpResponse const response = get(path_of(7));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(type_of(response), "store-unavailable");
  EXPECT_TRUE(response.headers.get("Retry-After"));
  EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
}

TEST_F(LookupRoutesTest, WhileTheStoreIsAwayAnswersAreMarked) {
  add_node(1);
  list(1, 7);
  get(path_of(7));
  lookups.directory().on_lost();
  now_ms += 12'000;
  HttpResponse const response = get(path_of(7));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Age"), "12");
  EXPECT_EQ(response.headers.get("Warning"), "110 - \"Response is Stale\"");
  EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
  EXPECT_EQ(registration::lookup_answer_from_json(response.body)->endpoints[0].expires_in_s, 48u);
  EXPECT_EQ(get_fast(path_of(7))->headers, lines_of(response));
  now_ms += 60'000;
  EXPECT_EQ(type_of(get(path_of(7))), "store-unavailable") << "nothing is given beyond its lease";
}

TEST_F(LookupRoutesTest, UnknownKeysAskPatienceThatGrows) {
  HttpResponse const first = get(path_of(8));
  EXPECT_EQ(first.status, 404);
  EXPECT_EQ(first.headers.get("Cache-Control"), "public, max-age=2");
  EXPECT_LE(std::stoi(std::string(*first.headers.get("Retry-After"))), 2);
  for (int i = 0; i < 200; ++i) get(path_of(8));
  int const later = std::stoi(std::string(*get(path_of(8)).headers.get("Retry-After")));
  EXPECT_GE(later, 100);
  EXPECT_LE(later, 300);
  for (int i = 0; i < 500; ++i) get(path_of(8));
  EXPECT_LE(std::stoi(std::string(*get(path_of(8)).headers.get("Retry-After"))), 300);
  add_node(1);
  list(1, 8);
  EXPECT_EQ(get(path_of(8)).status, 200) << "and is found as soon as it is there";
}

TEST_F(LookupRoutesTest, APastedProjectKeyIsToldAndNotRepeated) {
  add_node(1);
  list(1, 7);
  HttpResponse const response = get("/project/" + project_of(7).hex() + "/sync");
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(type_of(response), "project-key-sent");
  EXPECT_EQ(response.body.find(project_of(7).hex()), std::string::npos);
}

TEST_F(LookupRoutesTest, ATraceSaysWhy) {
  add_node(1);
  list(1, 7);
  HttpResponse const response = get(path_of(7), "trace=1");
  nlohmann::json const body = nlohmann::json::parse(response.body);
  EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
  ASSERT_EQ(body["trace"].size(), 1u);
  EXPECT_EQ(body["trace"][0]["verdict"], "chosen");
  EXPECT_EQ(body["trace"][0]["replicator"], pair_of(1).public_key.hex());
  EXPECT_TRUE(registration::lookup_answer_from_json(response.body).ok());
  now_ms += 60'000;
  HttpResponse const none = get(path_of(7), "trace=1");
  EXPECT_EQ(none.status, 503);
  EXPECT_EQ(nlohmann::json::parse(none.body)["trace"][0]["verdict"], "lease-ran-out");
}

TEST_F(LookupRoutesTest, PeersMeetOverAKeyThatIsHosted) {
  HttpRequest announce = request("/project/" + key_of(7).hex() + "/peers");
  announce.method = "POST";
  announce.body = R"({"port":4000,"minutes":3,"host":"192.0.2.66"})";
  EXPECT_EQ(held.answer(router, announce).status, 404) << "nothing is kept for unknown keys";
  add_node(1);
  list(1, 7);
  HttpResponse const announced = held.answer(router, announce);
  ASSERT_EQ(announced.status, 200) << announced.body;
  EXPECT_EQ(nlohmann::json::parse(announced.body)["expires_in"], 180);
  HttpResponse const response = get(path_of(7), "peers=1");
  EXPECT_EQ(response.status, 200);
  nlohmann::json const body = nlohmann::json::parse(response.body);
  ASSERT_EQ(body["peers"].size(), 1u);
  EXPECT_EQ(body["peers"][0]["host"], "203.0.113.7") << "where it was seen, whatever it says";
  EXPECT_EQ(body["peers"][0]["port"], 4000);
  EXPECT_FALSE(nlohmann::json::parse(get(path_of(7)).body).contains("peers"));
  now_ms += 60'000;
  EXPECT_EQ(nlohmann::json::parse(get(path_of(7), "peers=1").body)["peers"].size(), 1u)
      << "also when no replicator is there";
  now_ms += 120'000;
  EXPECT_EQ(get(path_of(7), "peers=1").status, 503);
}

TEST_F(LookupRoutesTest, AnnouncementsAreReadWithCare) {
  for (std::string const bad :
       {"", "{", "[]", R"({"port":0})", R"({"port":65536})", R"({"port":"1"})", R"({"port":-1})",
        R"({"port":1.5})", R"({"port":1,"minutes":0})", R"({"port":1,"minutes":31})"}) {
    EXPECT_EQ(peer_announcement_from_json(bad).error().code, ErrorCode::Malformed) << bad;
  }
  EXPECT_EQ(peer_announcement_from_json(std::string(2'000, ' ')).error().code,
            ErrorCode::LimitExceeded);
  EXPECT_EQ(peer_announcement_from_json(R"({"port":65535})")->minutes, kPeerMinutesDefault);
}

class LookupActivationTest : public LookupRoutesTest {
 protected:
  LookupActivationTest() {
    Router fresh;
    router = fresh;
    lookups.add_routes(router, &activator);
  }
  FakeActivator activator;
};

TEST_F(LookupActivationTest, AnUnknownKeyIsHeldUntilSomebodyHostsIt) {
  add_node(1);
  activator.begun = Activator::Begun::Waiting;
  HttpResponse response;
  std::thread asker([&] { response = get(path_of(7)); });
  while (activator.asked == 0) std::this_thread::yield();
  list(1, 7);
  asker.join();
  EXPECT_EQ(response.status, 200);
}

TEST_F(LookupActivationTest, NobodyIsHeldWhoDoesNotWait) {
  activator.begun = Activator::Begun::Waiting;
  HttpResponse const response = get(path_of(7), "wait=0");
  EXPECT_EQ(response.status, 503);
  EXPECT_LE(std::stoi(std::string(*response.headers.get("Retry-After"))), 2);
  EXPECT_GE(activator.asked, 1) << "the activation goes on";
}

TEST_F(LookupActivationTest, AtTheDeadlineTheAnswerIs503) {
  activator.begun = Activator::Begun::Waiting;
  get(path_of(7), "wait=0");
  HttpRequest late = request(path_of(7));
  late.call = Call::Deadline;
  EXPECT_EQ(std::get<HttpResponse>(router.handle(late)).status, 503);
}

TEST_F(LookupActivationTest, WhatIsNotAllowedStaysUnknown) {
  EXPECT_EQ(get(path_of(7)).status, 404);
  activator.begun = Activator::Begun::Overloaded;
  EXPECT_EQ(get(path_of(8)).status, 503);
}

TEST_F(LookupActivationTest, WhoAsksForAKeyholderGetsNoVolunteer) {
  activator.begun = Activator::Begun::Waiting;
  EXPECT_EQ(get(path_of(7), "keyholder=" + pair_of(9).public_key.hex()).status, 404);
  EXPECT_EQ(activator.asked, 0);
}

/// 203.0.113.7 is in Brazil, nobody knows where others are.
class FakePlaces final : public ClientPlaces {
 public:
  ClientPlace place_of(IpAddress const& address) const override {
    if (address != IpAddress::v4({203, 0, 113, 7})) return {};
    return {.country = {'b', 'r'}, .continent = {'s', 'a'}};
  }
  std::uint64_t built_unix_s() const override { return 1; }
};
FakePlaces const kPlaces;

class LookupGuessTest : public LookupRoutesTest {
 protected:
  LookupGuessTest() : LookupRoutesTest({.places = &kPlaces}) {
    for (Byte number = 1; number <= 8; ++number) {
      add_node(number, number == 8 ? "BR" : number == 7 ? "sa" : "us");
      list(number, 7);
    }
  }
  std::vector<std::string> regions(std::string const& query, std::string const& from) {
    HttpResponse const response = held.answer(router, request(path_of(7), query, from));
    std::vector<std::string> out;
    auto const answer = registration::lookup_answer_from_json(response.body);
    if (!answer) return out;
    for (auto const& each : answer->endpoints) out.push_back(each.region);
    return out;
  }
  static constexpr char kBrazilian[] = "203.0.113.7";
  static constexpr char kStranger[] = "203.0.113.8";
};

TEST_F(LookupGuessTest, TheClientsCountryComesFirstThenItsContinent) {
  std::vector<std::string> const found = regions("", kBrazilian);
  EXPECT_EQ(found[0], "BR");
  EXPECT_EQ(found[1], "sa");
  EXPECT_EQ(regions("", kStranger), regions("region=", kBrazilian)) << "no guess, no order";
}

TEST_F(LookupGuessTest, WhatIsAskedForCounts) {
  EXPECT_EQ(regions("region=us", kBrazilian)[0], "us");
  EXPECT_EQ(regions("region=us", kBrazilian), regions("region=us", kStranger));
}

TEST_F(LookupGuessTest, BothWaysGuessAlike) {
  regions("", kStranger);
  for (char const* const from : {kBrazilian, kStranger}) {
    for (char const* const query : {"", "region=us", "region=", "transport=tcp"}) {
      std::optional<FastResponse> const fast = get_fast(path_of(7), query, {}, from);
      HttpResponse const slow = held.answer(router, request(path_of(7), query, from));
      ASSERT_TRUE(fast) << query;
      EXPECT_EQ(fast->body, slow.body) << query;
      EXPECT_EQ(fast->headers, lines_of(slow)) << query;
    }
  }
}

TEST_F(LookupGuessTest, AnAnswerForAnAddressIsKeptForNobodyElse) {
  for (char const* const from : {kBrazilian, kStranger}) {
    HttpResponse const guessed = held.answer(router, request(path_of(7), "", from));
    EXPECT_EQ(guessed.headers.get("Cache-Control"), "private, max-age=30");
    HttpResponse const asked = held.answer(router, request(path_of(7), "region=us", from));
    EXPECT_EQ(asked.headers.get("Cache-Control"), "public, max-age=30");
    HttpResponse const anywhere = held.answer(router, request(path_of(7), "region=", from));
    EXPECT_EQ(anywhere.headers.get("Cache-Control"), "public, max-age=30");
  }
}

TEST_F(LookupGuessTest, WhoGotAnotherOrderGetsAnotherETag) {
  HttpResponse const here = held.answer(router, request(path_of(7), "", kBrazilian));
  HttpRequest elsewhere = request(path_of(7), "", kStranger);
  elsewhere.headers.add("If-None-Match", std::string(*here.headers.get("ETag")));
  EXPECT_EQ(held.answer(router, elsewhere).status, 200);
}

TEST_F(LookupGuessTest, ATraceTellsTheGuess) {
  auto const traced = [&](std::string const& query, char const* from) {
    return nlohmann::json::parse(held.answer(router, request(path_of(7), query, from)).body);
  };
  nlohmann::json const body = traced("trace=1", kBrazilian);
  EXPECT_EQ(body["client_region"], (nlohmann::json{{"country", "br"}, {"continent", "sa"}}));
  EXPECT_EQ(body["trace"][0]["region"], "BR");
  EXPECT_EQ(traced("trace=1", kStranger)["client_region"], nlohmann::json::object());
  EXPECT_FALSE(traced("trace=1&region=us", kBrazilian).contains("client_region"));
}

TEST_F(LookupRoutesTest, WithoutAFileNothingIsGuessed) {
  add_node(1);
  list(1, 7);
  nlohmann::json const body = nlohmann::json::parse(get(path_of(7), "trace=1").body);
  EXPECT_FALSE(body.contains("client_region"));
}

class LookupLimitsTest : public LookupRoutesTest {
 protected:
  static LookupServiceOptions options() {
    LookupServiceOptions out;
    out.limits.budgets.found = {1, 3};
    out.limits.budgets.not_found = {1, 2};
    out.limits.buckets = 1'024;
    return out;
  }
  LookupLimitsTest() : LookupRoutesTest(options()) {}
};

TEST_F(LookupLimitsTest, FoundAndNotFoundHaveBudgetsOfTheirOwn) {
  add_node(1);
  list(1, 7);
  EXPECT_EQ(get(path_of(8)).status, 404);
  EXPECT_EQ(get(path_of(8)).status, 404);
  HttpResponse const refused = get(path_of(8));
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(refused.headers.get("Retry-After"));
  EXPECT_TRUE(refused.headers.get("RateLimit"));
  EXPECT_EQ(get(path_of(9)).status, 429) << "before the store is asked";
  now_ms += 2'000;
  EXPECT_EQ(get(path_of(7)).status, 200);
  EXPECT_EQ(get(path_of(7)).status, 200);
  EXPECT_TRUE(get_fast(path_of(7)));
  EXPECT_EQ(get_fast(path_of(7))->status, 429);
  EXPECT_EQ(get(path_of(7)).status, 429);
  EXPECT_EQ(held.answer(router, request(path_of(7), "", "198.51.100.1")).status, 200)
      << "somebody else's budget is untouched";
}

TEST_F(LookupLimitsTest, UnreadableKeysCostBudgetToo) {
  EXPECT_EQ(get("/project/x/sync").status, 400);
  EXPECT_EQ(get("/project/x/sync").status, 400);
  EXPECT_EQ(get("/project/x/sync").status, 429);
}

class LookupOverloadTest : public LookupRoutesTest {
 protected:
  static LookupServiceOptions options() {
    LookupServiceOptions out;
    out.fetcher.threads = 1;
    out.fetcher.queue_max = 1;
    return out;
  }
  LookupOverloadTest() : LookupRoutesTest(options()) {}
};

TEST_F(LookupOverloadTest, AFullQueueIsRefusedAtOnce) {
  store.hold(true);
  EXPECT_TRUE(std::holds_alternative<WaitFor>([&] {
    HttpRequest one = request(path_of(1));
    return router.handle(one);
  }()));
  while (store.reads == 0) std::this_thread::yield();
  HttpRequest two = request(path_of(2));
  EXPECT_TRUE(std::holds_alternative<WaitFor>(router.handle(two)));
  HttpRequest three = request(path_of(3));
  HttpOutcome const refused = router.handle(three);
  ASSERT_TRUE(std::holds_alternative<HttpResponse>(refused));
  EXPECT_EQ(std::get<HttpResponse>(refused).status, 503);
  EXPECT_TRUE(std::get<HttpResponse>(refused).headers.get("Retry-After"));
  store.hold(false);
  EXPECT_EQ(get(path_of(2)).status, 404);
  EXPECT_EQ(get(path_of(3)).status, 404) << "and may be asked again";
}

}  // namespace
}  // namespace holdfast::discovery
