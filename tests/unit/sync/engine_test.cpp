#include "sync/engine.h"

#include <gtest/gtest.h>

#include "support/raw_peer.h"

namespace holdfast::sync {
namespace {

using testing::EngineUnderTest;
using testing::RawPeer;
using testing::TestCore;

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }

  static TestCore writer(std::uint64_t blocks) {
    TestCore core(1);
    for (std::uint64_t i = 0; i < blocks; ++i) core.append(Bytes(10 + i, static_cast<Byte>(i)));
    return core;
  }
  /// Says "I am the writer" and answers one request.
  static void offer(RawPeer& peer, TestCore const& core, std::uint64_t remote_length = 0) {
    peer.send(wire::Range{.drop = false, .start = 0, .length = core.length()});
    peer.send(wire::Sync{.can_upgrade = true,
                         .uploading = true,
                         .downloading = true,
                         .has_manifest = true,
                         .fork = core.fork(),
                         .length = core.length(),
                         .remote_length = remote_length});
  }
  static void answer(RawPeer& peer, TestCore const& core, wire::Request const& request) {
    Result<merkle::Proof> proof = core.prove(request.what);
    ASSERT_TRUE(proof.ok());
    proof->fork = core.fork();
    peer.send(wire::Data{.request = request.id, .proof = *proof});
  }
  /// Answers everything until nothing is asked any more.
  static void serve_all(RawPeer& peer, TestCore const& core) {
    std::size_t served = 0;
    while (peer.all<wire::Request>().size() > served) {
      answer(peer, core, peer.all<wire::Request>()[served++]);
      peer.send(wire::Sync{.can_upgrade = true,
                           .uploading = true,
                           .downloading = true,
                           .has_manifest = true,
                           .fork = core.fork(),
                           .length = core.length(),
                           .remote_length = peer.last<wire::Sync>()->length});
    }
  }
};

TEST_F(EngineTest, SaysWhatItHoldsWhenAChannelOpens) {
  TestCore const core = writer(5);
  EngineUnderTest node;
  node.host(core);
  RawPeer peer(node);
  peer.open(core.key());
  ASSERT_TRUE(peer.live);
  EXPECT_EQ(peer.last<wire::Sync>()->length, 5u);
  EXPECT_TRUE(peer.last<wire::Sync>()->downloading);
  EXPECT_EQ(peer.last<wire::Range>(), (wire::Range{.drop = false, .start = 0, .length = 5}));
}

TEST_F(EngineTest, AcknowledgesTheLengthOfAShorterRemote) {
  TestCore const core = writer(5);
  EngineUnderTest node;
  node.host(core);
  RawPeer peer(node);
  peer.open(core.key());
  peer.send(wire::Sync{
      .can_upgrade = false, .uploading = true, .downloading = true, .fork = 0, .length = 3});
  EXPECT_EQ(peer.last<wire::Sync>()->remote_length, 3u);
  EXPECT_TRUE(peer.last<wire::Sync>()->can_upgrade);
  std::size_t const heard = peer.heard.size();
  peer.send(wire::Sync{
      .can_upgrade = false, .uploading = true, .downloading = true, .fork = 0, .length = 5});
  EXPECT_EQ(peer.heard.size(), heard) << "only the longer side answers a Sync";
}

TEST_F(EngineTest, TakesEverythingFromAWriter) {
  TestCore const core = writer(20);
  EngineUnderTest node;
  node.engine.host(core.key(), core.key(), node.now);
  RawPeer peer(node);
  peer.open(core.key());
  offer(peer, core);
  serve_all(peer, core);
  EXPECT_EQ(node.engine.status(core.key())->contiguous_length, 20u);
  EXPECT_EQ(peer.last<wire::Range>(), (wire::Range{.drop = false, .start = 0, .length = 20}));
}

TEST_F(EngineTest, AnnouncesOnlyWhatTheDiskReported) {
  TestCore const core = writer(1);
  EngineUnderTest node;
  node.engine.host(core.key(), core.key(), node.now);
  node.hold_commits = true;
  RawPeer peer(node);
  peer.open(core.key());
  offer(peer, core);
  answer(peer, core, *peer.last<wire::Request>());
  ASSERT_EQ(node.held.size(), 1u);
  EXPECT_FALSE(peer.last<wire::Range>());
  EXPECT_EQ(peer.last<wire::Sync>()->length, 0u);
  node.finish(std::move(node.held[0]));
  peer.exchange();
  EXPECT_EQ(peer.last<wire::Sync>()->length, 1u);
  EXPECT_EQ(peer.last<wire::Range>(), (wire::Range{.drop = false, .start = 0, .length = 1}));
}

TEST_F(EngineTest, AFullDiskIsTriedAgainLaterAndAnnouncedNever) {
  TestCore const core = writer(1);
  EngineUnderTest node;
  node.engine.host(core.key(), core.key(), node.now);
  node.commit_answer = Unexpected(ErrorCode::StorageFull, "full");
  RawPeer peer(node);
  peer.open(core.key());
  offer(peer, core);
  answer(peer, core, *peer.last<wire::Request>());
  EXPECT_EQ(peer.all<wire::Request>().size(), 1u) << "no asking at full speed";
  EXPECT_FALSE(peer.last<wire::Range>());
  node.commit_answer = {};
  for (int i = 0; i < 8; ++i) node.advance(Duration(500));
  peer.exchange();
  ASSERT_EQ(peer.all<wire::Request>().size(), 2u);
  answer(peer, core, *peer.last<wire::Request>());
  EXPECT_EQ(node.engine.status(core.key())->contiguous_length, 1u);
}

TEST_F(EngineTest, EveryRequestIsAnsweredOnce) {
  TestCore const core = writer(4);
  EngineUnderTest node;
  node.host(core);
  RawPeer peer(node);
  peer.open(core.key());
  auto const ask = [&peer](std::uint64_t id, std::uint64_t fork, std::uint64_t block) {
    wire::Request request{.id = id, .fork = fork, .what = {}, .priority = 0};
    request.what.block = merkle::ProofRequest::Block{.index = BlockIndex(block), .nodes = 0};
    peer.send(request);
  };
  ask(1, 0, 2);
  ask(2, 0, 99);
  ask(3, 7, 2);
  EXPECT_EQ(peer.all<wire::Data>().size(), 1u);
  std::vector<wire::NoData> const refused = peer.all<wire::NoData>();
  ASSERT_EQ(refused.size(), 2u);
  EXPECT_EQ(refused[0],
            (wire::NoData{.request = 2, .reason = wire::NoData::Reason::InvalidRequest}));
  EXPECT_EQ(refused[1], (wire::NoData{.request = 3, .reason = wire::NoData::Reason::NotAvailable}));
}

TEST_F(EngineTest, AnswersAConflictProbe) {
  TestCore const core = writer(4);
  EngineUnderTest node;
  node.host(core);
  RawPeer peer(node);
  peer.open(core.key());
  wire::Request probe{.id = 0, .fork = 0, .what = {}, .priority = 0};
  probe.what.upgrade = merkle::ProofRequest::Upgrade{.start = 0, .length = 4};
  peer.send(probe);
  ASSERT_TRUE(peer.last<wire::Data>());
  EXPECT_EQ(peer.last<wire::Data>()->request, 0u);
}

TEST_F(EngineTest, FollowsAForkAndSaysWhatWasLost) {
  TestCore core = writer(6);
  EngineUnderTest node;
  node.host(core);
  RawPeer peer(node);
  peer.open(core.key());
  core.truncate(2);
  core.append(Bytes{42});
  peer.heard.clear();
  offer(peer, core);
  serve_all(peer, core);
  EXPECT_EQ(node.engine.status(core.key())->fork, 1u);
  EXPECT_EQ(node.engine.status(core.key())->contiguous_length, 3u);
  std::vector<wire::Range> const ranges = peer.all<wire::Range>();
  ASSERT_FALSE(ranges.empty());
  EXPECT_TRUE(ranges.front().drop);
  EXPECT_EQ(node.engine.counters().forks_followed, 1u);
}

TEST_F(EngineTest, ASilentPeersRequestsExpireAndItIsAskedAgainLater) {
  TestCore const core = writer(1);
  EngineUnderTest node;
  node.engine.host(core.key(), core.key(), node.now);
  RawPeer peer(node);
  peer.open(core.key());
  offer(peer, core);
  ASSERT_EQ(peer.all<wire::Request>().size(), 1u);
  for (int i = 0; i < 60; ++i) {
    node.advance(Duration(500));
    peer.send_frame({});  // Keep-alives are no progress.
  }
  EXPECT_GE(node.engine.counters().requests_expired, 1u);
  EXPECT_GE(peer.all<wire::Request>().size(), 2u);
}

TEST_F(EngineTest, OpensOtherCoresOfAProjectOnlyOnceItsRootIsProven) {
  TestCore const root = writer(1);
  TestCore const member(2);
  EngineUnderTest node;
  node.host(root);
  node.engine.host(member.key(), root.key(), node.now);
  RawPeer stranger(node);
  stranger.exchange();
  EXPECT_EQ(stranger.remote_opens, 0u);
  EXPECT_FALSE(node.engine.proven(stranger.id, root.key()));
  RawPeer knows(node);
  knows.open(root.key());
  EXPECT_TRUE(node.engine.proven(knows.id, root.key()));
  EXPECT_EQ(knows.remote_opens, 1u);
}

TEST_F(EngineTest, AnIdleCoreIsClosedAndOpensAgain) {
  TestCore const core = writer(3);
  EngineUnderTest node;
  node.host(core);
  {
    RawPeer peer(node);
    peer.open(core.key());
    node.engine.peer_gone(peer.id, node.now);
    node.settle();
  }
  EXPECT_TRUE(node.engine.status(core.key()));
  for (int i = 0; i < 140; ++i) node.advance(Duration(500));
  EXPECT_FALSE(node.engine.status(core.key())) << "its memory is free";
  RawPeer again(node);
  again.open(core.key());
  EXPECT_TRUE(again.live);
  EXPECT_EQ(again.last<wire::Sync>()->length, 3u);
}

TEST_F(EngineTest, HearsWhatWasSaidRightBehindAnOpenOfACoreStillToBeLoaded) {
  TestCore const core = writer(1);
  EngineUnderTest node;
  node.engine.host(core.key(), core.key(), node.now);
  node.hold_loads = true;
  RawPeer peer(node);
  peer.open(core.key());
  offer(peer, core);
  EXPECT_FALSE(peer.live);
  node.hold_loads = false;
  node.load_held();
  peer.exchange();
  ASSERT_TRUE(peer.live);
  EXPECT_TRUE(peer.last<wire::Request>());
}

TEST_F(EngineTest, AnUnhostedProjectClosesItsChannels) {
  TestCore const core = writer(3);
  EngineUnderTest node;
  node.host(core);
  RawPeer peer(node);
  peer.open(core.key());
  node.engine.unhost_project(core.key(), node.now);
  node.settle();
  peer.exchange();
  EXPECT_FALSE(peer.live);
  EXPECT_FALSE(node.engine.hosts(core.key()));
}

}  // namespace
}  // namespace holdfast::sync
