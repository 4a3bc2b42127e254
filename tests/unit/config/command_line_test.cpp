#include "config/command_line.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "config/logging.h"

namespace holdfast {
namespace {

/// One program with one setting of each kind.
class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest()
      : file_(testing::TempDir() + "command_line_test." + std::to_string(::getpid()) + ".conf") {}
  ~CommandLineTest() override {
    for (std::string const& name : variables_) ::unsetenv(name.c_str());
    std::remove(file_.c_str());
  }

  void set_variable(std::string const& name, std::string const& value) {
    variables_.push_back(name);
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  void write_file(std::string const& text) { std::ofstream(file_) << text; }

  std::optional<int> parse(std::vector<std::string> const& words) {
    listen = {"0.0.0.0", 8443};
    urls = {};
    peers = {};
    advertise = {};
    lease = Duration(60'000);
    store = "memory";
    quiet = false;
    budget = {};
    CommandLine line({"holdfast-test", "1.2.3", "A program.", ""});
    line.add("listen", listen, "Where to listen");
    line.add("public-url", urls, "URL", "Own URL");
    line.add("peer", peers, "Who else");
    line.add("advertise", advertise, "Where others reach us");
    line.add("lease", lease, "How long");
    line.add("store", store, "URL", "Where");
    line.add("quiet", quiet, "Say less");
    line.add("disk-budget", budget, "How much");
    line.add_choice("new-keys", new_keys, {"none", "open"}, "Who may");
    std::vector<char const*> argv{"holdfast-test"};
    for (std::string const& word : words) argv.push_back(word.c_str());
    return line.parse(static_cast<int>(argv.size()), argv.data());
  }

  HostPort listen;
  std::vector<std::string> urls;
  std::vector<HostPort> peers;
  HostPort advertise;
  Duration lease{};
  std::string store;
  std::string new_keys = "none";
  bool quiet = false;
  ByteSize budget;
  std::string const file_;

 private:
  std::vector<std::string> variables_;
};

TEST_F(CommandLineTest, WithoutArgumentsTheDefaultsStand) {
  EXPECT_EQ(parse({}), std::nullopt);
  EXPECT_EQ(listen, (HostPort{"0.0.0.0", 8443}));
  EXPECT_EQ(lease, Duration(60'000));
  EXPECT_TRUE(urls.empty());
}

TEST_F(CommandLineTest, FlagsAreReadInBothSpellings) {
  EXPECT_EQ(parse({"--listen", "[::1]:1", "--lease=5s", "--quiet", "--disk-budget", "10GiB"}),
            std::nullopt);
  EXPECT_EQ(listen, (HostPort{"::1", 1}));
  EXPECT_EQ(lease, Duration(5'000));
  EXPECT_TRUE(quiet);
  EXPECT_EQ(budget.bytes, 10ULL << 30);
}

TEST_F(CommandLineTest, RepeatableFlagsCollectInOrder) {
  EXPECT_EQ(parse({"--public-url", "https://a", "--public-url", "https://b"}), std::nullopt);
  EXPECT_EQ(urls, (std::vector<std::string>{"https://a", "https://b"}));
}

TEST_F(CommandLineTest, EnvironmentIsRead) {
  set_variable("HOLDFAST_TEST_PUBLIC_URL", "https://a,https://b");
  set_variable("HOLDFAST_TEST_LEASE", "7s");
  set_variable("HOLDFAST_TEST_QUIET", "true");
  EXPECT_EQ(parse({}), std::nullopt);
  EXPECT_EQ(urls, (std::vector<std::string>{"https://a", "https://b"}));
  EXPECT_EQ(lease, Duration(7'000));
  EXPECT_TRUE(quiet);
}

TEST_F(CommandLineTest, CommandLineBeatsEnvironmentBeatsFile) {
  write_file(
      "lease = \"1s\"\nstore = \"file\"\nlisten = \"127.0.0.1:9\"\npublic-url = [\"https://file\", "
      "\"https://two\"]\n");
  set_variable("HOLDFAST_TEST_LEASE", "2s");
  set_variable("HOLDFAST_TEST_STORE", "environment");
  set_variable("HOLDFAST_TEST_PUBLIC_URL", "https://environment");
  EXPECT_EQ(parse({"--config", file_, "--lease", "3s"}), std::nullopt);
  EXPECT_EQ(lease, Duration(3'000));
  EXPECT_EQ(store, "environment");
  EXPECT_EQ(listen, (HostPort{"127.0.0.1", 9}));
  EXPECT_EQ(urls, std::vector<std::string>{"https://environment"});
}

TEST_F(CommandLineTest, TheFileMayBeNamedByTheEnvironment) {
  write_file("public-url = [\"https://a\", \"https://b\"]\n");
  set_variable("HOLDFAST_TEST_CONFIG", file_);
  EXPECT_EQ(parse({}), std::nullopt);
  EXPECT_EQ(urls, (std::vector<std::string>{"https://a", "https://b"}));
}

TEST_F(CommandLineTest, UnknownKeysAndBadValuesAreBadUsage) {
  EXPECT_EQ(parse({"--unknown"}), 2);
  EXPECT_EQ(parse({"--lease", "soon"}), 2);
  EXPECT_EQ(parse({"--listen", "nowhere"}), 2);
  EXPECT_EQ(parse({"--new-keys", "all"}), 2);
  write_file("lisen = \"127.0.0.1:9\"\n");
  EXPECT_EQ(parse({"--config", file_}), 2);
  write_file("lease = \"soon\"\n");
  EXPECT_EQ(parse({"--config", file_}), 2);
}

TEST_F(CommandLineTest, AMissingFileEndsTheProgram) {
  EXPECT_EQ(parse({"--config", "/nonexistent"}), 1);
}

TEST_F(CommandLineTest, HelpAndVersionEndWithSuccess) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--help"}), 0);
  EXPECT_EQ(parse({"--version"}), 0);
  std::string const out = testing::internal::GetCapturedStdout();
  EXPECT_NE(out.find("holdfast-test 1.2.3"), std::string::npos);
  EXPECT_NE(out.find("HOLDFAST_TEST_LISTEN"), std::string::npos);
}

TEST_F(CommandLineTest, PrintedConfigurationReadsBackTheSame) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--print-config", "--public-url", "https://a", "--public-url", "https://b",
                   "--lease", "90s", "--quiet", "--store", "redis://h:1/0"}),
            0);
  write_file(testing::internal::GetCapturedStdout());
  EXPECT_EQ(parse({"--config", file_}), std::nullopt);
  EXPECT_EQ(urls, (std::vector<std::string>{"https://a", "https://b"}));
  EXPECT_EQ(lease, Duration(90'000));
  EXPECT_TRUE(quiet);
  EXPECT_EQ(store, "redis://h:1/0");
  EXPECT_EQ(listen, (HostPort{"0.0.0.0", 8443}));
}

TEST_F(CommandLineTest, WhatIsNotSetStaysUnsetThroughAPrintedConfiguration) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--print-config"}), 0);
  write_file(testing::internal::GetCapturedStdout());
  EXPECT_EQ(parse({"--config", file_}), std::nullopt);
  EXPECT_TRUE(urls.empty());
  EXPECT_TRUE(peers.empty());
  EXPECT_EQ(advertise, HostPort{});
}

TEST(CommandLineWithSubcommands, ARepeatableFlagLeavesPositionalsAlone) {
  std::vector<std::string> urls;
  std::string key;
  CommandLine line({"holdfast", "1", "A program.", ""});
  line.add("discovery", urls, "URL", "Where to ask");
  CLI::App* const lookup = line.app().add_subcommand("lookup", "Look up");
  lookup->fallthrough();
  lookup->add_option("key", key)->required();
  char const* const argv[] = {"holdfast", "lookup",      "--discovery", "https://a",
                              "KEY",      "--discovery", "https://b"};
  EXPECT_EQ(line.parse(7, argv), std::nullopt);
  EXPECT_EQ(key, "KEY");
  EXPECT_EQ(urls, (std::vector<std::string>{"https://a", "https://b"}));
}

TEST(JsonLog, TextOfStrangersStaysInsideItsString) {
  std::string const nasty = "a\"b\\c\nd\x01\x7f";
  EXPECT_EQ(nlohmann::json::parse("\"" + json_escaped(nasty) + "\"").get<std::string>(), nasty);
}

}  // namespace
}  // namespace holdfast
