#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "integration/discovery/lab_node.h"
#include "integration/discovery/process.h"
#include "registration/api.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

CoreKey const kProject = project_key(5);

/// Two instances of one secret that test what registers.
class Receipts : public testing::Test {
 protected:
  Receipts() {
    std::ofstream(folder_.path() + "/secret") << "a secret of all instances";
    std::vector<std::string> const words = {
        "--store",     redis.url(), "--cluster-secret", folder_.path() + "/secret",
        "--self-test", "on",        "--probe-allow",    "127.0.0.1/32",
        "--lease",     "5s"};
    one.emplace(words);
    two.emplace(words);
  }
  Bytes receipt_of(Node const& whose, LabNode const& lab) {
    auto const answer = whose.register_as(*one, {.port = lab.port()});
    EXPECT_EQ(answer->status, 200) << answer->body;
    Result<registration::LeaseAnswer> const lease =
        registration::lease_answer_from_json(answer->body);
    EXPECT_TRUE(lease.ok() && !lease->receipt.empty()) << answer->body;
    return lease.ok() ? lease->receipt : Bytes{};
  }

  TemporaryFolder folder_;
  Redis redis;
  std::optional<Discovery> one;
  std::optional<Discovery> two;
  Node const node{1};
};

TEST_F(Receipts, AfterAFlushAKnownNodeIsListedAtOnceAndTestedAfterwards) {
  LabNode lab(node.keys);
  Bytes const receipt = receipt_of(node, lab);
  int const before = lab.handshakes();
  redis.flush_all();
  lab.vanish();  // A test now would fail.
  auto const back = node.register_as(*two, {.seq = 2, .port = lab.port(), .receipt = receipt});
  ASSERT_EQ(back->status, 200) << back->body;
  EXPECT_TRUE(registration::lease_answer_from_json(back->body)->listed);
  ASSERT_EQ(node.list_project(*two, kProject)->status, 200);
  // Instances learn of it by a message, the one that wrote it too.
  for (Discovery const* const instance : {&*two, &*one}) {
    TrustingClient client = instance->https();
    EXPECT_EQ(status_within(2s, 200, client, sync_path(kProject)), 200);
  }
  EXPECT_EQ(lab.handshakes(), before);
  lab.come_back();
  auto const is_tested = [&] {
    EXPECT_EQ(node.send(*two, "POST", "/renew", "{}")->status, 200);
    return lab.handshakes() > before;
  };
  EXPECT_TRUE(within(10s, is_tested, 100ms));
}

TEST_F(Receipts, WithoutOneOrWithAWrongOneTheTestDecides) {
  LabNode lab(node.keys);
  Bytes const receipt = receipt_of(node, lab);
  Node const other(2);
  LabNode other_lab(other.keys);
  Bytes const others = receipt_of(other, other_lab);
  redis.flush_all();
  std::uint16_t const port = lab.port();
  lab.vanish();
  Bytes altered = receipt;
  altered[altered.size() / 2] = static_cast<Byte>(altered[altered.size() / 2] ^ 1);
  std::uint64_t seq = 1;
  for (Bytes const& each : {Bytes{}, others, altered, Bytes(receipt.size(), Byte{1})}) {
    EXPECT_EQ(problem_of(node.register_as(*two, {.seq = ++seq, .port = port, .receipt = each})),
              "self-test-failed")
        << seq;
  }
  std::uint16_t const elsewhere = static_cast<std::uint16_t>(port ^ 1);
  EXPECT_EQ(
      problem_of(node.register_as(*two, {.seq = ++seq, .port = elsewhere, .receipt = receipt})),
      "self-test-failed")
      << "it is for an address";
}

}  // namespace
}  // namespace holdfast::test
