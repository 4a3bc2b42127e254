#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "integration/discovery/process.h"
#include "registration/api.h"
#include "registration/record.h"

namespace holdfast::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

CoreKey const kProject = project_key(7);
constexpr char kMoving[] = "192.0.2.1";  // In Brazil, later in Germany.
constexpr char kGerman[] = "198.51.100.1";
constexpr char kAmerican[] = "2001:db8:1::1";
constexpr char kUnknown[] = "192.0.3.1";

class Geoip : public testing::Test {
 protected:
  Geoip() : file(folder.path() + "/countries.mmdb") { become("countries.mmdb"); }

  void become(std::string const& golden) const {
    fs::copy_file(std::string(HOLDFAST_GOLDEN_DIR) + "/geoip/" + golden, file + ".new");
    fs::rename(file + ".new", file);
  }
  std::vector<std::string> flags() const {
    return {"--geoip", file, "--trusted-proxy", "127.0.0.1/32"};
  }
  static void list(Discovery const& at, Byte number, std::string const& region) {
    Node const node(number);
    registration::Record record;
    record.id = node.keys.public_key;
    record.seq = 1;
    record.region = region;
    record.addresses = {
        {.kind = registration::AddressKind::Tcp, .host = "", .port = 4838, .url = ""}};
    auto const made = registration::sign_record(record, node.keys);
    ASSERT_TRUE(made.ok());
    std::string const body =
        registration::to_json(registration::RegistrationRequest{.record = made->bytes});
    ASSERT_EQ(node.send(at, "PUT", "", body)->status, 200);
    ASSERT_EQ(node.list_project(at, kProject)->status, 200);
  }
  static httplib::Result ask(Discovery const& at, std::string const& from,
                             std::string const& query = {}) {
    return at.https().Get((sync_path(kProject) + query).c_str(), {{"X-Forwarded-For", from}});
  }
  static std::string first_region(httplib::Result const& answer) {
    if (!answer || answer->status != 200) return problem_of(answer);
    return Json::parse(answer->body)["endpoints"][0]["region"];
  }
  static std::uint64_t build_epoch(Discovery const& at) {
    return Json::parse(at.https().Get("/v1/info")->body)["geoip"]["build_epoch"];
  }

  TemporaryFolder const folder;
  std::string const file;
};

TEST_F(Geoip, ClientsAreSentToTheirRegionUnlessTheySayOtherwise) {
  Discovery const discovery(flags());
  Byte number = 1;
  for (char const* const region : {"br", "EU", "us", "antarctica"})
    list(discovery, number++, region);
  for (int round = 0; round < 2; ++round) {  // The second one from memory, past the library.
    EXPECT_EQ(first_region(ask(discovery, kMoving)), "br");
    EXPECT_EQ(first_region(ask(discovery, kGerman)), "EU");
    EXPECT_EQ(first_region(ask(discovery, kAmerican)), "us");
    EXPECT_EQ(first_region(ask(discovery, kMoving, "?region=us")), "us");
    EXPECT_EQ(ask(discovery, kMoving)->get_header_value("Cache-Control").substr(0, 8), "private,");
    EXPECT_EQ(ask(discovery, kUnknown)->status, 200);
  }
  auto const traced = ask(discovery, kGerman, "?trace=1");
  EXPECT_EQ(Json::parse(traced->body)["client_region"]["country"], "de");
  auto const preflight = discovery.https().Options(sync_path(kProject).c_str());
  EXPECT_EQ(preflight->get_header_value("Access-Control-Allow-Origin"), "*");
  std::string const metrics = discovery.admin().Get("/metrics")->body;
  EXPECT_NE(metrics.find("holdfast_discovery_geoip_on 1"), std::string::npos);
  EXPECT_NE(metrics.find("holdfast_discovery_geoip_build_epoch 1767225600"), std::string::npos);
}

TEST_F(Geoip, AHangUpReadsTheFileAgainAndKeepsItWhenItCannotBeRead) {
  Discovery const discovery(flags());
  list(discovery, 1, "br");
  list(discovery, 2, "de");
  EXPECT_EQ(build_epoch(discovery), 1'767'225'600u);
  EXPECT_EQ(first_region(ask(discovery, kMoving)), "br");

  fs::resize_file(file, 100);
  discovery.process.signal(SIGHUP);
  auto const counted = [&](std::string const& line) {
    return discovery.admin().Get("/metrics")->body.find(line) != std::string::npos;
  };
  auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  std::string const none = "holdfast_discovery_geoip_reloads_total{outcome=\"kept-old\"} 0";
  while (counted(none) && std::chrono::steady_clock::now() < end) continue;
  EXPECT_FALSE(counted(none));
  EXPECT_EQ(first_region(ask(discovery, kMoving)), "br");

  become("countries_moved.mmdb");
  discovery.process.signal(SIGHUP);
  while (build_epoch(discovery) != 1'767'830'400u && std::chrono::steady_clock::now() < end)
    continue;
  EXPECT_EQ(first_region(ask(discovery, kMoving)), "de");
}

TEST_F(Geoip, WithoutTheFlagItIsOff) {
  Discovery const discovery;
  Json const info = Json::parse(discovery.https().Get("/v1/info")->body);
  EXPECT_EQ(info["geoip"], (Json{{"on", false}}));
  std::string const metrics = discovery.admin().Get("/metrics")->body;
  EXPECT_NE(metrics.find("holdfast_discovery_geoip_on 0"), std::string::npos);
}

TEST_F(Geoip, AFileThatCannotBeReadIsNoStart) {
  fs::resize_file(file, 500);
  for (std::string const& path : {file, folder.path() + "/nothing"}) {
    Process process({HOLDFAST_DISCOVERY_PROGRAM, "--state-dir", folder.path(), "--listen",
                     "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--geoip", path},
                    folder.path() + "/bad");
    EXPECT_EQ(process.wait(std::chrono::seconds(10)), 1);
    EXPECT_EQ(process.errors().find("holdfast-discovery: --geoip: "), 0u) << process.errors();
    EXPECT_NE(process.errors().find(path), std::string::npos) << process.errors();
  }
}

}  // namespace
}  // namespace holdfast::test
