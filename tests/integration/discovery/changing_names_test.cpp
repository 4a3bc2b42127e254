#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/discovery/lab_node.h"
#include "integration/discovery/name_server.h"
#include "integration/discovery/process.h"

namespace holdfast::test {
namespace {

using namespace std::chrono_literals;

constexpr char kGood[] = "203.0.113.7";  // The lab's; it stands for a public address.
constexpr char kName[] = "node.lab.example";
char const* const kInside = "127.0.0.1";
char const* const kMetadata = "169.254.169.254";

/// A service whose prober may reach the lab, and nothing else of this machine.
class ChangingNames : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_folder = std::make_unique<TemporaryFolder>();
    is_in_lab = enter_lab(kGood, shared_folder->path());
  }
  static void TearDownTestSuite() { shared_folder.reset(); }
  void SetUp() override {
    if (!is_in_lab) GTEST_SKIP() << "no namespaces here";
    names = std::make_unique<NameServer>();
    service = std::make_unique<Discovery>(std::vector<std::string>{
        "--self-test", "on", "--probe-allow", std::string(kGood) + "/32", "--registration-token",
        token_file(), "--lease", "3s", "--rate-limit", "off"});
    good = std::make_unique<LabNode>(node.keys, kGood);
    // What an attacker would like to reach: it would even answer rightly.
    trap = std::make_unique<LabNode>(node.keys, kInside, good->port());
  }
  std::string token_file() {
    std::string const path = shared_folder->path() + "/tokens";
    std::ofstream(path) << "word\n";
    return path;
  }
  httplib::Result register_by_name() {
    return node.register_as(*service,
                            {.seq = ++seq, .host = kName, .port = good->port(), .token = "word"});
  }
  int metric(std::string const& name) const {
    std::string const text = service->admin().Get("/metrics")->body;
    std::size_t const at = text.find("\nholdfast_discovery_" + name + " ");
    return at == std::string::npos ? 0 : std::stoi(text.substr(text.find(' ', at + 1)));
  }

  Node const node{1};
  std::uint64_t seq = 0;
  std::unique_ptr<NameServer> names;
  std::unique_ptr<Discovery> service;
  std::unique_ptr<LabNode> good;
  std::unique_ptr<LabNode> trap;

 private:
  static std::unique_ptr<TemporaryFolder> shared_folder;
  static bool is_in_lab;
};
std::unique_ptr<TemporaryFolder> ChangingNames::shared_folder;
bool ChangingNames::is_in_lab = false;

TEST_F(ChangingNames, TheAddressThatWasCheckedIsTheOneThatIsDialled) {
  names->answer({{kGood}, {kInside}});
  auto const answer = register_by_name();
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(names->questions(), 1) << "asked once: there is no second answer to be fooled by";
  EXPECT_EQ(good->handshakes(), 1);
  EXPECT_EQ(trap->connections(), 0);

  // The next test asks again, and is told the other address.
  auto const is_out = [&] {
    node.send(*service, "POST", "/renew", "{}");
    return metric("replicators{state=\"out\"}") == 1;
  };
  EXPECT_TRUE(within(15s, is_out, 100ms)) << "at once, without a second try";
  EXPECT_EQ(metric("probes_total{result=\"refused\"}"), 1);
  EXPECT_EQ(trap->connections(), 0);
  std::string const told = service->https().Get(node.path().c_str())->body;
  EXPECT_NE(told.find("leads to 127.0.0.1"), std::string::npos) << told;
}

TEST_F(ChangingNames, OneForbiddenAddressAmongGoodOnesIsEnough) {
  for (std::vector<std::string> const& addresses : {std::vector<std::string>{kInside},
                                                    {kMetadata},
                                                    {kGood, kInside},
                                                    {kMetadata, kGood},
                                                    {kGood, "10.0.0.1"},
                                                    {"0.0.0.0"}}) {
    names->answer({addresses});
    auto const answer = register_by_name();
    EXPECT_EQ(answer->status, 422) << answer->body;
    EXPECT_NE(answer->body.find("leads to"), std::string::npos) << answer->body;
  }
  EXPECT_EQ(good->connections(), 0);
  EXPECT_EQ(trap->connections(), 0);
}

TEST_F(ChangingNames, ANameThatChangesWithEveryAnswerGetsNowhere) {
  std::vector<std::vector<std::string>> turns;
  for (int i = 0; i < 40; ++i)
    turns.push_back({i % 2 == 0 ? kGood : i % 3 == 0 ? kMetadata : kInside});
  names->answer(turns);
  int passed = 0;
  for (int i = 0; i < 20; ++i) passed += register_by_name()->status == 200 ? 1 : 0;
  EXPECT_GT(passed, 0);
  EXPECT_GT(good->handshakes(), 0);
  EXPECT_EQ(trap->connections(), 0);
}

}  // namespace
}  // namespace holdfast::test
