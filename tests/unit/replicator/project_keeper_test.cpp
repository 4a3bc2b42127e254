#include "replicator/daemon/project_keeper.h"

#include <gtest/gtest.h>

#include "codec/encoder.h"
#include "core/manifest.h"
#include "replicator/dialects/derived_cores.h"
#include "store/memory_store.h"

namespace holdfast::replicator {
namespace {

CoreKey key(Byte value) {
  CoreKey out;
  out.bytes.fill(value);
  return out;
}

sync::ForeignMessage named(sync::PeerId peer, CoreKey const& referrer, CoreKey const& core) {
  Encoder body;
  body.write_uint(1).write_raw(referrer.view()).write_uint(1).write_raw(core.view()).write_uint(0);
  return {peer, kBlindPeerProtocol, kBlindPeerCoresType, std::move(body).take()};
}

class ProjectKeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(init_crypto().ok());
    ASSERT_TRUE(*keeper_.add_project(key(1)));
  }
  /// Lets the keeper's own thread finish what it was given; nothing can be given to it afterwards.
  bool became_member(CoreKey const& core) {
    keeper_.stop();
    return !projects_.projects_of(core).empty();
  }

  store::MemoryStore store_;
  Projects projects_{store_};
  AssignedKeys assigned_{store_};
  net::EngineHost host_{{}, store_, KeyPair::random()};
  ProjectKeeper keeper_{projects_, assigned_, host_, [] {}};
  sync::PeerId const peer_{1};
};

TEST_F(ProjectKeeperTest, TakesNamedCoresUnderAProvenReferrer) {
  keeper_.on_event(sync::ChannelLive{peer_, key(1)});
  keeper_.on_event(named(peer_, key(1), key(2)));
  EXPECT_TRUE(became_member(key(2)));
}

TEST_F(ProjectKeeperTest, ANamedCoreWaitsUntilItsReferrerIsProven) {
  keeper_.on_event(named(peer_, key(1), key(2)));
  keeper_.on_event(sync::ChannelLive{peer_, key(1)});
  EXPECT_TRUE(became_member(key(2)));
}

TEST_F(ProjectKeeperTest, ProofsOfOtherPeersAndOtherCoresDoNotCount) {
  keeper_.on_event(named(peer_, key(1), key(2)));
  keeper_.on_event(sync::ChannelLive{sync::PeerId(9), key(1)});
  keeper_.on_event(sync::ChannelLive{peer_, key(7)});
  EXPECT_FALSE(became_member(key(2)));
}

TEST_F(ProjectKeeperTest, CoresUnderAStrangersReferrerAreRefused) {
  keeper_.on_event(sync::ChannelLive{peer_, key(5)});
  keeper_.on_event(named(peer_, key(5), key(6)));
  EXPECT_EQ(keeper_.named_cores_refused(), 1u);
  EXPECT_FALSE(became_member(key(6)));
}

TEST_F(ProjectKeeperTest, WhatAGonePeerNamedIsForgotten) {
  keeper_.on_event(named(peer_, key(1), key(2)));
  keeper_.on_event(sync::PeerClosed{peer_, {ErrorCode::Unavailable, "gone"}});
  keeper_.on_event(sync::ChannelLive{peer_, key(1)});
  EXPECT_FALSE(became_member(key(2)));
}

TEST_F(ProjectKeeperTest, NamesPerWirePeerAreBounded) {
  keeper_.on_event(sync::ChannelLive{peer_, key(1)});
  for (std::size_t i = 0; i < ProjectKeeper::kNamedPerPeerMax + 5; ++i) {
    keeper_.on_event(named(peer_, key(1), key(2)));
  }
  EXPECT_EQ(keeper_.named_cores_refused(), 5u);
}

TEST_F(ProjectKeeperTest, FindsTheBlobsCoreOfADrive) {
  Bytes const manifest = core::encode(core::single_signer_manifest(PublicKey{}));
  keeper_.on_event(sync::ManifestKnown{key(1), manifest});
  EXPECT_TRUE(became_member(*hyperdrive_blobs_key(key(1), manifest)));
}

TEST_F(ProjectKeeperTest, AnAssignedKeyBecomesAProjectWhenAClientNamesItsCore) {
  ASSERT_TRUE(*keeper_.take_on(discovery_key_of(key(3)), 1'000));
  keeper_.on_event(named(peer_, key(3), key(4)));
  keeper_.stop();
  EXPECT_TRUE(projects_.has(key(3)));
  EXPECT_EQ(assigned_.size(), 0u);
}

TEST_F(ProjectKeeperTest, CoresUnderAnAssignedReferrerWaitForItsProof) {
  ASSERT_TRUE(*keeper_.take_on(discovery_key_of(key(3)), 1'000));
  keeper_.on_event(named(peer_, key(3), key(4)));
  EXPECT_EQ(keeper_.named_cores_refused(), 0u);
  keeper_.on_event(sync::ChannelLive{peer_, key(3)});
  EXPECT_TRUE(became_member(key(4)));
}

TEST_F(ProjectKeeperTest, AKeyThatWasNotAssignedIsNotTaken) {
  ASSERT_TRUE(*keeper_.take_on(discovery_key_of(key(3)), 1'000));
  keeper_.on_event(named(peer_, key(5), key(5)));
  keeper_.stop();
  EXPECT_FALSE(projects_.has(key(5)));
  EXPECT_EQ(assigned_.size(), 1u);
}

TEST_F(ProjectKeeperTest, AKeyIsListedOnceWithItsProjectIfKnown) {
  EXPECT_FALSE(*keeper_.take_on(discovery_key_of(key(1)), 1'000));
  ASSERT_TRUE(*keeper_.take_on(discovery_key_of(key(3)), 1'000));
  std::vector<WantedKey> const wanted = keeper_.wanted_keys();
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_EQ(keeper_.hosted_count(), 2u);
  EXPECT_LT(wanted[0].key, wanted[1].key);
  for (WantedKey const& item : wanted) {
    EXPECT_EQ(item.root.has_value(), item.key == discovery_key_of(key(1)));
  }
}

TEST_F(ProjectKeeperTest, AssignedKeysThatNobodyUsesAreGivenBack) {
  ASSERT_TRUE(*keeper_.take_on(discovery_key_of(key(3)), 1'000));
  ASSERT_TRUE(*keeper_.take_on(discovery_key_of(key(4)), 2'000));
  EXPECT_EQ(*keeper_.give_back(2'000), 1u);
  EXPECT_FALSE(assigned_.has(discovery_key_of(key(3))));
  EXPECT_TRUE(assigned_.has(discovery_key_of(key(4))));
}

}  // namespace
}  // namespace holdfast::replicator
