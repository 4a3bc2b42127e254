#include "registration/api.h"

#include <gtest/gtest.h>

#include "golden.h"
#include "registration/base64.h"
#include "registration/problem.h"

namespace holdfast::registration {

namespace {

Bytes signed_record() {
  Record record;
  record.id = pair_of(1).public_key;
  record.seq = 7;
  record.addresses = {{AddressKind::Tcp, "", 4838, ""},
                      {AddressKind::WebSocket, "", 0, "wss://node.example.org/"}};
  record.region = "eu";
  return sign_record(record, pair_of(1))->bytes;
}

KeyholderProof some_proof() {
  return make_keyholder_proof(pair_of(9), pair_of(1).public_key, DiscoveryKey{}, 1'767'225'600);
}

LookupAnswer some_answer() {
  Endpoint tcp;
  tcp.replicator = pair_of(1).public_key;
  tcp.host = "203.0.113.7";
  tcp.port = 4838;
  tcp.region = "eu";
  tcp.expires_in_s = 45;
  tcp.record = signed_record();
  Endpoint ws = tcp;
  ws.transport = AddressKind::WebSocket;
  ws.host = "node.example.org";
  ws.port = 443;
  ws.url = "wss://node.example.org/";
  ws.proof = some_proof();
  return {{tcp, ws}};
}

nlohmann::json parsed(std::string const& text) { return nlohmann::json::parse(text); }

TEST(LookupAnswerJson, ComesBackAsGiven) {
  auto const back = lookup_answer_from_json(to_json(some_answer()));
  ASSERT_TRUE(back.ok()) << to_string(back.error());
  EXPECT_EQ(*back, some_answer());
}

TEST(LookupAnswerJson, RepeatsTheFirstEndpointForTheSimplestClients) {
  nlohmann::json const json = parsed(to_json(some_answer()));
  EXPECT_EQ(json.at("host"), "203.0.113.7");
  EXPECT_EQ(json.at("port"), 4838);
  EXPECT_EQ(json.at("expires_in"), 45);
  EXPECT_FALSE(json.at("endpoints").at(0).contains("url"));
  EXPECT_FALSE(json.at("endpoints").at(0).contains("proof"));
}

TEST(LookupAnswerJson, RefusesWhatNobodyCanDial) {
  for (auto const& [name, value] : {std::pair<char const*, nlohmann::json>{"host", "a b"},
                                    {"host", ""},
                                    {"host", 1},
                                    {"port", 0},
                                    {"port", 65536},
                                    {"port", -1},
                                    {"port", "4838"},
                                    {"port", 1.5},
                                    {"transport", "udp"},
                                    {"expires_in", 0},
                                    {"replicator", "00"},
                                    {"record", "!"},
                                    {"proof", "x"},
                                    {"proof", {{"keyholder", "00"}}},
                                    {"region", std::string(65, 'r')}}) {
    nlohmann::json json = parsed(to_json(some_answer()));
    json["endpoints"][0][name] = value;
    EXPECT_FALSE(lookup_answer_from_json(json.dump()).ok()) << name << " = " << value;
  }
  nlohmann::json json = parsed(to_json(some_answer()));
  json["endpoints"][1]["url"] = "https://node.example.org/";
  EXPECT_FALSE(lookup_answer_from_json(json.dump()).ok());
}

TEST(LookupAnswerJson, RefusesAnEmptyListAndALongOne) {
  nlohmann::json json = parsed(to_json(some_answer()));
  nlohmann::json const endpoint = json["endpoints"][0];
  json["endpoints"] = nlohmann::json::array();
  EXPECT_FALSE(lookup_answer_from_json(json.dump()).ok());
  for (std::size_t i = 0; i < kEndpointsMax; ++i) json["endpoints"].push_back(endpoint);
  EXPECT_TRUE(lookup_answer_from_json(json.dump()).ok());
  json["endpoints"].push_back(endpoint);
  EXPECT_EQ(lookup_answer_from_json(json.dump()).error().code, ErrorCode::LimitExceeded);
}

TEST(ApiJson, UnknownMembersAreIgnored) {
  EXPECT_TRUE(renew_request_from_json(R"({"later":{"a":[1,{"b":2}]}})").ok());
}

TEST(ApiJson, NullIsTheSameAsAbsent) {
  auto const request = renew_request_from_json(R"({"state":null,"load":null})");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(*request, RenewRequest{});
}

TEST(ApiJson, RefusesWhatIsNoObject) {
  for (char const* text :
       {"", "[]", "1", "\"a\"", "{", "{}}", "{}x", "nul", "{\"a\":\xff\"}", "{\"a\":\"\xff\"}"}) {
    EXPECT_FALSE(renew_request_from_json(text).ok()) << text;
  }
}

TEST(ApiJson, RefusesDeepNestingBeforeParsing) {
  auto const nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_TRUE(renew_request_from_json(nested(kJsonDepthMax)).ok());
  EXPECT_EQ(renew_request_from_json(nested(kJsonDepthMax + 1)).error().code,
            ErrorCode::LimitExceeded);
}

TEST(ApiJson, BracketsInTextsAreNoNesting) {
  EXPECT_TRUE(renew_request_from_json(R"({"a":"[[[[[[[[[[\"[[[[[[[[["})").ok());
}

TEST(ApiJson, RefusesALongBody) {
  std::string const fill(kRenewBytesMax - 8, 'x');
  EXPECT_TRUE(renew_request_from_json("{\"a\":\"" + fill + "\"}").ok());
  EXPECT_EQ(renew_request_from_json("{\"a\":\"x" + fill + "\"}").error().code,
            ErrorCode::LimitExceeded);
}

TEST(RegistrationRequestJson, ComesBackAsGiven) {
  auto const back = registration_request_from_json(to_json(
      RegistrationRequest{.record = signed_record(), .receipt = {1, 2}, .token = "let-me-in"}));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->record, signed_record());
  EXPECT_EQ(back->receipt, (Bytes{1, 2}));
  EXPECT_EQ(back->token, "let-me-in");
  EXPECT_FALSE(registration_request_from_json("{}").ok());
  EXPECT_FALSE(registration_request_from_json(R"({"record":7})").ok());
}

TEST(LeaseAnswerJson, ComesBackAsGiven) {
  LeaseAnswer const answer{60,          21,  120, ReplicatorState::Draining, "203.0.113.7", false,
                           "self-test", {7}, 120};
  auto const back = lease_answer_from_json(to_json(answer));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, answer);
}

TEST(RenewRequestJson, ComesBackAsGiven) {
  RenewRequest request;
  request.state = ReplicatorState::Draining;
  request.load = {1, 2, 3, 4, 1000, true};
  auto const back = renew_request_from_json(to_json(request));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, request);
}

TEST(RenewRequestJson, RefusesFiguresOutOfRange) {
  for (char const* text :
       {R"({"load":{"cpu_permille":1001}})", R"({"load":{"projects":-1}})",
        R"({"load":{"projects":9007199254740992}})", R"({"load":{"storage_full":1}})",
        R"({"load":[]})", R"({"state":"gone"})", R"({"state":1})"}) {
    EXPECT_FALSE(renew_request_from_json(text).ok()) << text;
  }
}

TEST(ProjectsRequestJson, ComesBackAsGiven) {
  ProjectsRequest request;
  request.replace = true;
  request.add = {{DiscoveryKey{}, some_proof()}, {DiscoveryKey{}, std::nullopt}};
  request.remove = {DiscoveryKey{}};
  auto const back = projects_request_from_json(to_json(request));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, request);
}

TEST(ProjectsRequestJson, TakesAThousandProvenKeysAndNoMore) {
  ProjectsRequest request;
  request.add.assign(kBatchKeysMax - 1, {DiscoveryKey{}, std::nullopt});
  request.remove = {DiscoveryKey{}};
  EXPECT_TRUE(projects_request_from_json(to_json(request)).ok());
  request.remove.push_back(DiscoveryKey{});
  EXPECT_EQ(projects_request_from_json(to_json(request)).error().code, ErrorCode::LimitExceeded);
}

TEST(ProjectsRequestJson, RefusesMalformedKeys) {
  for (char const* text :
       {R"({"add":[{}]})", R"({"add":["00"]})", R"({"add":{}})", R"({"add":[{"key":"0g"}]})",
        R"({"remove":[1]})", R"({"replace":"yes"})"}) {
    EXPECT_FALSE(projects_request_from_json(text).ok()) << text;
  }
}

TEST(ProjectsAnswerJson, ComesBackAsGiven) {
  DiscoveryKey other;
  other.bytes.fill(7);
  ProjectsAnswer const answer{3, {DiscoveryKey{}, other}};
  auto const back = projects_answer_from_json(to_json(answer));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, answer);
}

TEST(ProjectsAnswerJson, SaysNothingOfRefusedKeysWhenThereAreNone) {
  EXPECT_FALSE(parsed(to_json(ProjectsAnswer{3})).contains("refused"));
}

TEST(ProjectsAnswerJson, NamesNoMoreRefusedKeysThanABatchHas) {
  ProjectsAnswer answer;
  answer.refused.assign(kBatchKeysMax, DiscoveryKey{});
  EXPECT_TRUE(projects_answer_from_json(to_json(answer)).ok());
  answer.refused.push_back(DiscoveryKey{});
  EXPECT_EQ(projects_answer_from_json(to_json(answer)).error().code, ErrorCode::LimitExceeded);
}

TEST(ProjectsAnswerJson, RefusesMalformedKeys) {
  for (char const* text : {R"({"projects":1,"refused":["00"]})", R"({"projects":1,"refused":[1]})",
                           R"({"projects":1,"refused":{}})", R"({"refused":[]})"}) {
    EXPECT_FALSE(projects_answer_from_json(text).ok()) << text;
  }
}

TEST(ReplicatorInfoJson, TakesTheRecordFromItsSignedBytes) {
  ReplicatorInfo info;
  info.record = open_record(signed_record())->record;
  info.signed_record = signed_record();
  info.expires_in_s = 45;
  info.listed = true;
  info.observed_address = "203.0.113.7";
  nlohmann::json json = parsed(to_json(info));
  json["region"] = "mars";
  auto const back = replicator_info_from_json(json.dump());
  ASSERT_TRUE(back.ok()) << to_string(back.error());
  EXPECT_EQ(back->record, info.record);
  EXPECT_TRUE(back->listed);
}

TEST(ReplicatorListJson, ComesBackAsGiven) {
  ReplicatorInfo info;
  info.record = open_record(signed_record())->record;
  info.signed_record = signed_record();
  ReplicatorList const list{{info, info}, pair_of(3).public_key};
  auto const back = replicator_list_from_json(to_json(list));
  ASSERT_TRUE(back.ok()) << to_string(back.error());
  EXPECT_EQ(back->replicators.size(), 2U);
  EXPECT_EQ(back->next, list.next);
}

TEST(SmallAnswersJson, ComeBackAsGiven) {
  EXPECT_EQ(whoami_answer_from_json(to_json(WhoamiAnswer{"::1", 17}))->now_unix_ms, 17U);
  EXPECT_EQ(nonce_answer_from_json(to_json(NonceAnswer{"abc"}))->nonce, "abc");
  EXPECT_EQ(projects_answer_from_json(to_json(ProjectsAnswer{3}))->projects, 3U);
  EXPECT_FALSE(nonce_answer_from_json(R"({"nonce":""})").ok());
}

TEST(AssignmentsJson, ComesBackAsGiven) {
  AssignmentsAnswer answer;
  answer.cursor = 17;
  answer.keys = {discovery_key_of(CoreKey{}), DiscoveryKey{}};
  auto const back = assignments_answer_from_json(to_json(answer));
  ASSERT_TRUE(back.ok()) << to_string(back.error());
  EXPECT_EQ(*back, answer);
}

TEST(AssignmentsJson, RefusesWhatIsNoKeyAndWhatIsTooMuch) {
  EXPECT_FALSE(assignments_answer_from_json(R"({"assignments":[]})").ok());
  EXPECT_FALSE(assignments_answer_from_json(R"({"cursor":-1,"assignments":[]})").ok());
  EXPECT_FALSE(assignments_answer_from_json(R"({"cursor":1,"assignments":[{"key":"ab"}]})").ok());
  EXPECT_FALSE(assignments_answer_from_json(R"({"cursor":1,"assignments":["ab"]})").ok());
  AssignmentsAnswer many;
  many.keys.resize(kBatchKeysMax);
  EXPECT_TRUE(assignments_answer_from_json(to_json(many)).ok());
  many.keys.resize(kBatchKeysMax + 1);
  EXPECT_FALSE(assignments_answer_from_json(to_json(many)).ok());
}

TEST(ProblemJson, EveryTypeComesBack) {
  for (int i = 0; i <= static_cast<int>(ProblemType::StoreUnavailable); ++i) {
    ProblemDetails problem;
    problem.type = static_cast<ProblemType>(i);
    problem.detail = "why";
    auto const back = problem_from_json(to_json(problem), 599);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(back->type, problem.type);
    EXPECT_GE(problem_status(problem.type), 400);
  }
}

TEST(ProblemJson, CarriesItsExtras) {
  ProblemDetails problem;
  problem.type = ProblemType::SeqConflict;
  problem.retry_after_s = 3;
  problem.observed_address = "203.0.113.7";
  problem.record = signed_record();
  problem.transcript = "tcp 203.0.113.7:1: connect failed";
  auto const back = problem_from_json(to_json(problem), 409);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->retry_after_s, 3U);
  EXPECT_EQ(back->observed_address, "203.0.113.7");
  EXPECT_EQ(back->transcript, problem.transcript);
  EXPECT_EQ(back->record, signed_record());
}

TEST(ProblemJson, AStrangersProblemIsJudgedByItsStatus) {
  EXPECT_EQ(problem_from_json("{}", 429)->type, ProblemType::RateLimited);
  EXPECT_EQ(problem_from_json(R"({"type":"about:blank"})", 502)->type,
            ProblemType::StoreUnavailable);
  EXPECT_EQ(problem_from_json(R"({"type":"urn:holdfast:problem:new"})", 404)->type,
            ProblemType::NotFound);
}

TEST(ProblemJson, BytesThatAreNotUtf8DoNotStopUs) {
  ProblemDetails problem;
  problem.detail = "\xff";
  EXPECT_TRUE(problem_from_json(to_json(problem), 500).ok());
}

}  // namespace

}  // namespace holdfast::registration
