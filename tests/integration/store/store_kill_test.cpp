#include <array>
#include <csignal>
#include <string>

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "store/rocksdb_store.h"
#include "support/temporary_directory.h"

namespace holdfast::store {
namespace {

/// Runs the worker, kills it -9 once it has acknowledged `lines` commits. Returns: the last
/// acknowledged length.
std::uint64_t run_and_kill(std::string const& directory, std::uint64_t lines) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, pipe[0]);
  posix_spawn_file_actions_addclose(&actions, pipe[1]);
  std::string program = STORE_CRASH_WORKER;
  std::string argument = directory;
  std::array<char*, 3> arguments = {program.data(), argument.data(), nullptr};
  pid_t worker = 0;
  int const spawned =
      ::posix_spawn(&worker, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::FILE* const output = ::fdopen(pipe[0], "r");
  std::uint64_t last = 0;
  std::array<char, 64> line{};
  bool killed = spawned != 0;
  EXPECT_EQ(spawned, 0);
  // What is still in the pipe after the kill was acknowledged too.
  for (std::uint64_t seen = 0; std::fgets(line.data(), line.size(), output) != nullptr;) {
    last = std::stoull(line.data());
    if (++seen < lines || killed) continue;
    ::kill(worker, SIGKILL);
    killed = true;
  }
  EXPECT_TRUE(killed) << "the worker ended by itself";
  std::fclose(output);
  int status = 0;
  if (spawned == 0) ::waitpid(worker, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return last;
}

TEST(StoreKill, WhatWasAcknowledgedSurvivesAKillThatLosesUnsyncedBytes) {
  support::TemporaryDirectory const directory;
  std::string const path = (directory.path() / "db").string();
  CoreKey key;
  key.bytes.fill(1);
  SeededRng rng(11);
  std::uint64_t length = 0;
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round);
    std::uint64_t const acknowledged = run_and_kill(path, 1 + rng.below(60));
    ASSERT_GT(acknowledged, length) << "it must go on where it was";
    RocksDbStore::Options options;
    options.directory = path;
    Result<std::unique_ptr<RocksDbStore>> const opened = RocksDbStore::open(options);
    ASSERT_TRUE(opened.ok()) << to_string(opened.error());
    std::optional<core::CoreRecord> const record = (*opened)->load(key).value();
    ASSERT_TRUE(record.has_value());
    length = record->head.length;
    // One commit of seven blocks may have been on its way.
    ASSERT_TRUE(length == acknowledged || length == acknowledged + 7) << length;
    ASSERT_EQ(record->blocks, (std::vector<core::BlockRange>{{0, length}}));
    Result<std::unique_ptr<core::CoreView>> const view = (*opened)->view(key);
    ASSERT_TRUE(view.ok());
    for (std::uint64_t block = 0; block < length; ++block) {
      ASSERT_EQ((*view)->block(BlockIndex(block)).value(), Bytes(1000, static_cast<Byte>(block)));
    }
  }
}

}  // namespace
}  // namespace holdfast::store
