#include "net/core_clone.h"

#include <gtest/gtest.h>

#include "holdfast/client.h"
#include "integration/net/node.h"
#include "support/temporary_directory.h"

namespace holdfast::net {
namespace {

using testing::commit_of;
using testing::kPatience;
using testing::Node;
using testing::TestCore;

class CoreCloneTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(init_crypto());
    grow(100);
    at_ = writer_.listen();
    writer_.host_core(core_.key());
  }
  /// Appends behind the node's back, while it does not serve.
  void grow(int blocks) {
    for (int i = 0; i < blocks; ++i) core_.append(Bytes(500, static_cast<Byte>(core_.length())));
    core::Commit const all = commit_of(core_);
    ASSERT_TRUE(writer_.store.commit({&all, 1}));
  }
  CoreCloneOptions options(CoreKey const& key) {
    CoreCloneOptions made;
    made.directory = directory_.path() / "copy";
    made.follow.project = key;
    made.follow.peers.push_back({at_, writer_.pair.public_key});
    made.follow.backoff = {.base = Duration(10), .cap = Duration(100)};
    return made;
  }
  static bool completes(CoreClone& clone) {
    auto const until = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < until) {
      if (clone.progress().complete()) return true;
      clone.wait(Duration(50));
    }
    return false;
  }

  TestCore core_{7};
  Node writer_{{}, 1};
  Address at_;
  support::TemporaryDirectory directory_;
};

TEST_F(CoreCloneTest, CopiesEverythingAndCanBeReadAfterwards) {
  {
    std::unique_ptr<CoreClone> const clone = *CoreClone::open(options(core_.key()));
    ASSERT_TRUE(completes(*clone));
    EXPECT_EQ(clone->progress().blocks_held, 100U);
  }
  OpenedClone const opened = *open_clone(directory_.path() / "copy");
  EXPECT_EQ(opened.key, core_.key());
  std::unique_ptr<core::CoreView> const view = *opened.store->view(opened.key);
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(**view->block(BlockIndex(i)), Bytes(500, static_cast<Byte>(i)));
  }
}

TEST_F(CoreCloneTest, GoesOnWhereItWasAndIsNotDoneBeforeItAsked) {
  {
    std::unique_ptr<CoreClone> const clone = *CoreClone::open(options(core_.key()));
    ASSERT_TRUE(completes(*clone));
  }
  writer_.host->stop();
  grow(50);
  Node longer({}, 1);
  core::Commit const all = commit_of(core_);
  ASSERT_TRUE(longer.store.commit({&all, 1}));
  longer.host_core(core_.key());
  at_ = longer.listen();
  std::unique_ptr<CoreClone> const clone = *CoreClone::open(options(core_.key()));
  EXPECT_FALSE(clone->progress().complete()) << "nobody was asked yet";
  ASSERT_TRUE(completes(*clone));
  EXPECT_EQ(clone->progress().blocks_held, 150U);
  EXPECT_EQ(clone->progress().bytes_received, 50U * 500U) << "only what was missing is fetched";
}

TEST_F(CoreCloneTest, ADirectoryHoldsOneCoreAndOneProcess) {
  std::unique_ptr<CoreClone> clone = *CoreClone::open(options(core_.key()));
  Result<std::unique_ptr<CoreClone>> const twice = CoreClone::open(options(core_.key()));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, ErrorCode::Conflict);
  clone.reset();
  Result<std::unique_ptr<CoreClone>> const other = CoreClone::open(options(CoreKey{{1}}));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::Conflict);
}

TEST_F(CoreCloneTest, ComesBackWhenTheNodeDoes) {
  std::uint16_t const port = at_.port;
  writer_.host->stop();
  std::unique_ptr<CoreClone> const clone = *CoreClone::open(options(core_.key()));
  clone->wait(Duration(200));
  EXPECT_EQ(clone->progress().blocks_held, 0U);
  EngineHost again({}, writer_.store, writer_.pair);
  again.host(core_.key(), core_.key());
  ASSERT_TRUE(again.listen({"127.0.0.1", port}));
  EXPECT_TRUE(completes(*clone));
}

TEST_F(CoreCloneTest, InterruptWakesTheWaiter) {
  std::unique_ptr<CoreClone> const clone = *CoreClone::open(options(CoreKey{{1}}));
  clone->interrupt();
  auto const before = std::chrono::steady_clock::now();
  clone->wait(Duration(60'000));
  EXPECT_LT(std::chrono::steady_clock::now() - before, kPatience);
}

TEST_F(CoreCloneTest, AnEmptyDirectoryIsNoCopy) {
  EXPECT_EQ(open_clone(directory_.path() / "none").error().code, ErrorCode::NotFound);
}

TEST_F(CoreCloneTest, ThePublicClientCopiesAndReads) {
  sdk::Outcome<sdk::Client> client = sdk::Client::open({});
  ASSERT_TRUE(client);
  sdk::Outcome<sdk::Copy> copy =
      client->copy(core_.key().hex(), directory_.path() / "public", {to_text(at_)});
  ASSERT_TRUE(copy);
  auto const until = std::chrono::steady_clock::now() + kPatience;
  while (!copy->progress().complete && std::chrono::steady_clock::now() < until) {
    copy->wait(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(*copy->read(3), Bytes(500, 3));
  EXPECT_EQ(copy->read(100).failure().kind, sdk::Trouble::NotFound);
  EXPECT_EQ(client->lookup(core_.key().hex()).failure().kind, sdk::Trouble::Usage);
  EXPECT_EQ(client->copy("x", directory_.path() / "y").failure().kind, sdk::Trouble::Usage);
}

}  // namespace
}  // namespace holdfast::net
