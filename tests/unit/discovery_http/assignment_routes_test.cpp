#include "discovery/http/assignment_routes.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "discovery/registry/nonce.h"
#include "discovery/store/memory_store.h"
#include "registration/api.h"
#include "registration/http_signature.h"

namespace holdfast::discovery {
namespace {

constexpr char kOwnUrl[] = "https://discovery.example.org";

class AssignmentRoutesTest : public testing::Test {
 protected:
  AssignmentRoutesTest() {
    EXPECT_TRUE(init_crypto().ok());
    routes_.add_routes(router_);
    registration::Record record;
    record.id = node_.public_key;
    record.seq = 1;
    record.addresses = {{registration::AddressKind::Tcp, "node.example.org", 4838, ""}};
    EXPECT_TRUE(store_->put_registration(*registration::sign_record(record, node_), "").ok());
    key_.bytes.fill(5);
  }

  HttpRequest request(std::string const& after, std::string const& wait, KeyPair const& signer) {
    HttpRequest out;
    out.method = "GET";
    out.path = "/replicators/" + node_.public_key.hex() + "/assignments";
    out.target = out.path + "?after=" + after + "&wait=" + wait;
    out.query = {{"after", after}, {"wait", wait}};
    registration::SignatureHeaders const fields = registration::sign_request(
        {.method = "GET", .target_uri = kOwnUrl + out.target, .body = {}},
        {.created_unix_s = 1, .nonce = *issue_nonce(*store_), .key_id = signer.public_key}, signer);
    out.headers.add("Host", "discovery.example.org");
    out.headers.add("Content-Digest", fields.content_digest);
    out.headers.add("Signature-Input", fields.signature_input);
    out.headers.add("Signature", fields.signature);
    return out;
  }
  HttpRequest request(std::string const& after, std::string const& wait) {
    return request(after, wait, node_);
  }
  static registration::AssignmentsAnswer answer_of(HttpOutcome const& outcome) {
    HttpResponse const& response = std::get<HttpResponse>(outcome);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_TRUE(response.headers.get("Replay-Nonce").has_value());
    return *registration::assignments_answer_from_json(response.body);
  }

  KeyPair const node_ = KeyPair::random();
  std::unique_ptr<RecordStore> store_ = make_memory_store(StoreOptions{});
  AssignmentRoutes routes_{*store_, *OwnUrls::parse({kOwnUrl})};
  Router router_;
  DiscoveryKey key_;
};

TEST_F(AssignmentRoutesTest, WhatWasAssignedIsToldOnce) {
  ASSERT_TRUE(store_->assign(node_.public_key, key_, Duration(60'000)).ok());
  HttpRequest first = request("0", "30");
  registration::AssignmentsAnswer const answer = answer_of(router_.handle(first));
  EXPECT_EQ(answer.keys, std::vector<DiscoveryKey>{key_});
  HttpRequest next = request(std::to_string(answer.cursor), "0");
  EXPECT_TRUE(answer_of(router_.handle(next)).keys.empty());
}

TEST_F(AssignmentRoutesTest, WithNothingToTellItIsHeldAndThenAnsweredWithoutASecondNonce) {
  HttpRequest held = request("0", "7");
  HttpOutcome const waiting = router_.handle(held);
  ASSERT_TRUE(std::holds_alternative<WaitFor>(waiting));
  EXPECT_EQ(std::get<WaitFor>(waiting).at_most, Duration(7'000));
  EXPECT_EQ(std::get<WaitFor>(waiting).event, assignment_event(node_.public_key));
  ASSERT_TRUE(store_->assign(node_.public_key, key_, Duration(60'000)).ok());
  held.call = Call::Event;
  EXPECT_EQ(answer_of(router_.handle(held)).keys.size(), 1u);
}

TEST_F(AssignmentRoutesTest, AtTheDeadlineTheAnswerIsEmpty) {
  HttpRequest held = request("3", "7");
  ASSERT_TRUE(std::holds_alternative<WaitFor>(router_.handle(held)));
  held.call = Call::Deadline;
  EXPECT_TRUE(answer_of(router_.handle(held)).keys.empty());
}

TEST_F(AssignmentRoutesTest, OnlyTheReplicatorItselfIsTold) {
  HttpRequest forged = request("0", "0", KeyPair::random());
  EXPECT_EQ(std::get<HttpResponse>(router_.handle(forged)).status, 403);
}

TEST_F(AssignmentRoutesTest, ARequestThatIsSentAgainIsRefused) {
  HttpRequest once = request("0", "0");
  answer_of(router_.handle(once));
  HttpResponse const again = std::get<HttpResponse>(router_.handle(once));
  EXPECT_EQ(again.status, 401);
  EXPECT_NE(again.body.find("bad-nonce"), std::string::npos);
}

TEST_F(AssignmentRoutesTest, RefusesWaitsAndCursorsThatAreNoNumbers) {
  for (auto const& [after, wait] : {std::pair{"0", "61"}, {"-1", "0"}, {"x", "0"}, {"0", ""}}) {
    HttpRequest bad = request(after, wait);
    EXPECT_EQ(std::get<HttpResponse>(router_.handle(bad)).status, 400) << after << " " << wait;
  }
}

}  // namespace
}  // namespace holdfast::discovery
