#include <gtest/gtest.h>

#include "core/manifest.h"
#include "replicator/dialects/blind_peer.h"
#include "replicator/dialects/derived_cores.h"
#include "support/hypercore_vectors.h"

namespace holdfast::replicator {
namespace {

using testing::bytes_of;
using testing::fixed_of;
using testing::hypercore_vectors;

TEST(BlindPeerCores, ReadsReferrerPriorityAndKeysOfTheRecordedMessage) {
  nlohmann::json const message = hypercore_vectors("apps.json").at("blindPeerCoresMessage");
  Result<NamedCores> const named = decode_named_cores(bytes_of(message.at("hex")), 16);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->referrer, fixed_of<CoreKey>(message.at("fields").at("referrer")));
  EXPECT_EQ(named->priority, 1u);
  ASSERT_EQ(named->cores.size(), 1u);
  EXPECT_EQ(named->cores[0], fixed_of<CoreKey>(message.at("fields").at("cores").at(0).at("key")));
}

TEST(BlindPeerCores, ReadsTheMessageWithoutOptionalFields) {
  nlohmann::json const message = hypercore_vectors("apps.json").at("blindPeerCoresMessage");
  Result<NamedCores> const named = decode_named_cores(bytes_of(message.at("noOptionalHex")), 16);
  ASSERT_TRUE(named);
  EXPECT_FALSE(named->referrer);
  EXPECT_EQ(named->cores.size(), 1u);
}

TEST(BlindPeerCores, EveryTruncationIsMalformed) {
  Bytes const whole =
      bytes_of(hypercore_vectors("apps.json").at("blindPeerCoresMessage").at("hex"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Result<NamedCores> const named = decode_named_cores(ByteView(whole).first(size), 16);
    ASSERT_FALSE(named) << size;
    EXPECT_EQ(named.error().code, ErrorCode::Malformed) << size;
  }
}

TEST(BlindPeerCores, MoreCoresThanAllowedAreRefused) {
  Bytes const whole =
      bytes_of(hypercore_vectors("apps.json").at("blindPeerCoresMessage").at("hex"));
  Result<NamedCores> const named = decode_named_cores(whole, 0);
  ASSERT_FALSE(named);
  EXPECT_EQ(named.error().code, ErrorCode::LimitExceeded);
}

TEST(HyperdriveBlobs, KeyFollowsFromTheDatabaseManifest) {
  nlohmann::json const drive = hypercore_vectors("apps.json").at("hyperdrive");
  EXPECT_EQ(
      hyperdrive_blobs_key(fixed_of<CoreKey>(drive.at("dbKey")), bytes_of(drive.at("dbManifest"))),
      fixed_of<CoreKey>(drive.at("contentKey")));
}

TEST(HyperdriveBlobs, GarbageIsNoDrive) {
  EXPECT_FALSE(hyperdrive_blobs_key(CoreKey{}, Bytes{1, 2, 3}));
  EXPECT_FALSE(hyperdrive_blobs_key(CoreKey{}, Bytes{}));
}

TEST(LinkedCores, AreReadFromAVersion2Manifest) {
  core::Manifest manifest = core::single_signer_manifest(PublicKey{});
  manifest.version = 2;
  CoreKey linked;
  linked.bytes.fill(7);
  manifest.linked = std::vector<CoreKey>{linked};
  EXPECT_EQ(linked_cores(core::encode(manifest)), std::vector<CoreKey>{linked});
  EXPECT_TRUE(linked_cores(core::encode(core::single_signer_manifest(PublicKey{}))).empty());
}

}  // namespace
}  // namespace holdfast::replicator
