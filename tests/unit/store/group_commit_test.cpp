#include "store/group_commit.h"

#include <atomic>
#include <future>
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "store/memory_store.h"

namespace holdfast::store {
namespace {

CoreKey core_key(Byte name) {
  CoreKey key;
  key.bytes.fill(name);
  return key;
}

core::Commit commit_of(Byte core, std::uint64_t block, std::size_t bytes = 10) {
  core::Commit commit;
  commit.core = core_key(core);
  commit.blocks.push_back({BlockIndex(block), Bytes(bytes, core)});
  return commit;
}

/// Counts calls, can be held in the middle of one, and fails whenever a bad core is among the commits.
class ScriptedStore final : public core::Store {
 public:
  Result<void> commit(std::span<core::Commit const> commits) override {
    MutexLock lock(mutex_);
    calls_.push_back(commits.size());
    changed_.notify_all();
    while (held_) changed_.wait(mutex_);
    for (core::Commit const& commit : commits) {
      if (bad_.contains(commit.core)) return Unexpected(error_, "scripted");
    }
    return memory_.commit(commits);
  }
  void hold() {
    MutexLock const lock(mutex_);
    held_ = true;
  }
  void release() {
    MutexLock const lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  void wait_for_call() {
    MutexLock const lock(mutex_);
    while (calls_.empty()) changed_.wait(mutex_);
  }
  void fail(Byte core, ErrorCode error) {
    MutexLock const lock(mutex_);
    bad_.insert(core_key(core));
    error_ = error;
  }
  std::vector<std::size_t> calls() {
    MutexLock const lock(mutex_);
    return calls_;
  }

  Result<std::optional<core::CoreRecord>> load(CoreKey const& key) override {
    return memory_.load(key);
  }
  Result<std::unique_ptr<core::CoreView>> view(CoreKey const& key) override {
    return memory_.view(key);
  }
  Result<std::vector<CoreKey>> list() override { return memory_.list(); }
  Result<void> erase(CoreKey const& key) override { return memory_.erase(key); }
  Result<std::optional<Bytes>> get_meta(std::string_view name) override {
    return memory_.get_meta(name);
  }
  Result<void> put_meta(std::string_view name, ByteView value) override {
    return memory_.put_meta(name, value);
  }
  Result<void> erase_meta(std::string_view name) override { return memory_.erase_meta(name); }
  Result<std::vector<std::string>> list_meta(std::string_view prefix) override {
    return memory_.list_meta(prefix);
  }

 private:
  MemoryStore memory_;
  Mutex mutex_;
  CondVar changed_;
  bool held_ = false;
  std::vector<std::size_t> calls_;
  std::set<CoreKey> bad_;
  ErrorCode error_ = ErrorCode::Storage;
};

class GroupCommitterTest : public testing::Test {
 protected:
  void start(GroupCommitter::Options options = {}) {
    committer = std::make_unique<GroupCommitter>(store, options);
  }
  bool submit(core::Commit commit) {
    std::size_t const number = submitted++;
    return committer
        ->submit(std::move(commit),
                 [this, number](Result<void> const& result) {
                   order.push_back(number);
                   outcome[number] = result ? "ok" : std::string(to_string(result.error().code));
                 })
        .ok();
  }
  /// The first commit is on its way to the disk; what is submitted next waits behind it.
  void submit_and_hold(core::Commit commit) {
    store.hold();
    EXPECT_TRUE(submit(std::move(commit)));
    store.wait_for_call();
  }
  void finish() {
    store.release();
    committer->stop();  // Joins the thread, so that what callbacks wrote may be read.
  }

  ScriptedStore store;
  std::unique_ptr<GroupCommitter> committer;
  std::size_t submitted = 0;
  std::vector<std::size_t> order;
  std::map<std::size_t, std::string> outcome;
};

TEST_F(GroupCommitterTest, WhatWaitsForTheDiskBecomesOneGroup) {
  start();
  submit_and_hold(commit_of(1, 0));
  for (Byte core = 2; core < 12; ++core) EXPECT_TRUE(submit(commit_of(core, 0)));
  finish();
  EXPECT_EQ(store.calls(), (std::vector<std::size_t>{1, 10}));
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(committer->counters().groups, 2U);
  EXPECT_EQ(committer->counters().commits, 11U);
}

TEST_F(GroupCommitterTest, OneBadCoreDoesNotFailTheOthers) {
  start();
  store.fail(3, ErrorCode::Storage);
  submit_and_hold(commit_of(1, 0));
  for (Byte const core : std::vector<Byte>{2, 3, 3, 4}) EXPECT_TRUE(submit(commit_of(core, 0)));
  finish();
  // One call for the group, then one for each but the second of the bad core, which builds on the first.
  EXPECT_EQ(store.calls(), (std::vector<std::size_t>{1, 4, 1, 1, 1}));
  std::map<std::size_t, std::string> const expected = {
      {0, "ok"}, {1, "ok"}, {2, "storage failure"}, {3, "storage failure"}, {4, "ok"}};
  EXPECT_EQ(outcome, expected);
  EXPECT_EQ(committer->counters().failed_commits, 2U);
}

TEST_F(GroupCommitterTest, AFullDiskIsToldToTheWholeGroupAtOnce) {
  start();
  store.fail(3, ErrorCode::StorageFull);
  submit_and_hold(commit_of(1, 0));
  for (Byte const core : std::vector<Byte>{2, 3}) EXPECT_TRUE(submit(commit_of(core, 0)));
  finish();
  EXPECT_EQ(store.calls(), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(outcome[1], "storage full");
  EXPECT_EQ(outcome[2], "storage full");
}

TEST_F(GroupCommitterTest, BeyondItsBoundItRefusesAndLeavesTheCommit) {
  start({.waiting_commits_max = 2});
  submit_and_hold(commit_of(1, 0));
  EXPECT_TRUE(submit(commit_of(2, 0)));
  EXPECT_TRUE(submit(commit_of(3, 0)));
  core::Commit late = commit_of(4, 0);
  Result<void> const refused = committer->submit(std::move(late), nullptr);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::Unavailable);
  EXPECT_EQ(late.blocks.size(), 1U);  // NOLINT(bugprone-use-after-move): that is the promise.
  finish();
  EXPECT_EQ(order.size(), 3U);
}

TEST_F(GroupCommitterTest, BytesThatWaitAreBoundedButALargeCommitStillPasses) {
  start({.waiting_bytes_max = 10'000, .group_bytes_max = 1});
  submit_and_hold(commit_of(1, 0));
  EXPECT_TRUE(submit(commit_of(2, 0, 50'000)));
  EXPECT_FALSE(submit(commit_of(3, 0)));
  finish();
  EXPECT_EQ(order.size(), 2U);
}

TEST_F(GroupCommitterTest, StoppingWritesWhatWaitsAndRefusesTheRest) {
  start({.group_bytes_max = 1});
  submit_and_hold(commit_of(1, 0));
  for (Byte core = 2; core < 6; ++core) EXPECT_TRUE(submit(commit_of(core, 0)));
  finish();
  EXPECT_EQ(store.calls(), (std::vector<std::size_t>{1, 1, 1, 1, 1}));
  EXPECT_EQ(store.list()->size(), 5U);
  EXPECT_FALSE(submit(commit_of(9, 0)));
  committer->stop();
}

TEST_F(GroupCommitterTest, ManyThreadsGetEachTheirAnswer) {
  start({.waiting_commits_max = 8});
  std::atomic<int> answers{0};
  std::vector<std::thread> threads;
  for (Byte core = 0; core < 4; ++core) {
    threads.emplace_back([&, core] {
      for (std::uint64_t block = 0; block < 200; ++block) {
        std::promise<void> durable;
        Result<void> taken = Unexpected(ErrorCode::Unavailable, "");
        while (!taken) {
          taken = committer->submit(commit_of(core, block), [&](Result<void> const& result) {
            if (result) ++answers;
            durable.set_value();
          });
        }
        durable.get_future().wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answers, 800);
  for (Byte core = 0; core < 4; ++core) {
    EXPECT_EQ(store.load(core_key(core)).value()->blocks,
              (std::vector<core::BlockRange>{{0, 200}}));
  }
}

}  // namespace
}  // namespace holdfast::store
