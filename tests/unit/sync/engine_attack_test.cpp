#include <gtest/gtest.h>

#include "codec/encoder.h"
#include "support/raw_peer.h"

/// Everything a stranger may try. After each: the attacker is refused or paused, the reason is counted, nothing was
/// stored, and another wire peer still gets the core.
namespace holdfast::sync {
namespace {

using testing::EngineUnderTest;
using testing::RawPeer;
using testing::TestCore;

class EngineAttack : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(init_crypto().ok());
    for (int i = 0; i < 8; ++i) core_.append(Bytes(20, static_cast<Byte>(i)));
    node_.host(core_);
    node_.engine.host(empty_.key(), empty_.key(), node_.now);
    for (int i = 0; i < 4; ++i) empty_.append(Bytes{1, 2, 3});
  }
  void TearDown() override {
    RawPeer honest(node_);
    honest.open(core_.key());
    ASSERT_TRUE(honest.live);
    wire::Request request{.id = 1, .fork = 0, .what = {}, .priority = 0};
    request.what.block = merkle::ProofRequest::Block{.index = BlockIndex(3), .nodes = 0};
    honest.send(request);
    EXPECT_TRUE(honest.last<wire::Data>()) << "another wire peer is not served any more";
    node_.engine.check_invariants();
  }
  Counters const& counters() const { return node_.engine.counters(); }
  /// Attacks as the writer of a core that the node wants.
  RawPeer false_writer() {
    RawPeer peer(node_);
    peer.open(empty_.key());
    peer.send(wire::Range{.drop = false, .start = 0, .length = 4});
    peer.send(wire::Sync{.can_upgrade = true,
                         .uploading = true,
                         .downloading = true,
                         .has_manifest = true,
                         .fork = 0,
                         .length = 4,
                         .remote_length = 0});
    return peer;
  }
  merkle::Proof honest_proof(wire::Request const& request) { return *empty_.prove(request.what); }
  void expect_nothing_stored() {
    EXPECT_EQ((*node_.store.view(empty_.key()))->head().length, 0u);
    EXPECT_EQ(node_.engine.status(empty_.key())->blocks_held, 0u);
  }

  TestCore core_{1};
  TestCore empty_{2};
  EngineUnderTest node_;
};

TEST_F(EngineAttack, WrongCapabilityEndsTheConnection) {
  RawPeer peer(node_);
  peer.open(core_.key(), Hash{});
  EXPECT_EQ(node_.closed(peer.id), ErrorCode::BadCapability);
  EXPECT_EQ(counters().bad_capability, 1u);
}

TEST_F(EngineAttack, ACoreThatIsNotHostedIsRejected) {
  RawPeer peer(node_);
  peer.open(TestCore(9).key());
  EXPECT_TRUE(peer.rejected);
  EXPECT_FALSE(node_.closed(peer.id));
  EXPECT_EQ(counters().unhosted_opens, 1u);
}

TEST_F(EngineAttack, ADamagedBlockIsNotStoredAndPausesTheChannel) {
  RawPeer peer = false_writer();
  wire::Request const request = *peer.last<wire::Request>();
  merkle::Proof proof = honest_proof(request);
  ASSERT_TRUE(proof.block);
  proof.block->value[0] ^= 1;
  peer.send(wire::Data{.request = request.id, .proof = proof});
  expect_nothing_stored();
  EXPECT_EQ(counters().bad_proof + counters().bad_signature, 1u);
  EXPECT_EQ(peer.all<wire::Request>().size(), 1u) << "asked again at full speed";
  node_.advance(Duration(500));
  node_.advance(Duration(700));
  peer.exchange();
  EXPECT_EQ(peer.all<wire::Request>().size(), 2u) << "never asked again";
}

TEST_F(EngineAttack, PausesGrow) {
  RawPeer peer = false_writer();
  std::vector<Duration> waits;
  for (int round = 0; round < 4; ++round) {
    wire::Request const request = *peer.last<wire::Request>();
    merkle::Proof proof = honest_proof(request);
    proof.upgrade->signature.back() ^= 1;
    proof.upgrade->signature[10] ^= 1;
    std::size_t const asked = peer.all<wire::Request>().size();
    Instant const from = node_.now;
    peer.send(wire::Data{.request = request.id, .proof = proof});
    while (peer.all<wire::Request>().size() == asked && node_.now - from < Duration(100'000)) {
      node_.advance(Duration(500));
      peer.send_frame({});
    }
    waits.push_back(node_.now - from);
  }
  EXPECT_LT(waits[0], waits[1]);
  EXPECT_LT(waits[1], waits[2]);
  EXPECT_LT(waits[2], waits[3]);
  expect_nothing_stored();
  EXPECT_EQ(counters().bad_signature, 4u);
}

TEST_F(EngineAttack, AnAnswerToAnotherQuestionIsRefused) {
  RawPeer peer = false_writer();
  wire::Request const request = *peer.last<wire::Request>();
  wire::Request other = request;
  other.what.upgrade.reset();
  other.what.manifest = false;
  other.what.block = merkle::ProofRequest::Block{.index = BlockIndex(2), .nodes = 2};
  peer.send(wire::Data{.request = request.id, .proof = honest_proof(other)});
  expect_nothing_stored();
  EXPECT_EQ(counters().bad_proof, 1u);
}

TEST_F(EngineAttack, UnaskedDataIsIgnored) {
  RawPeer peer = false_writer();
  wire::Request const request = *peer.last<wire::Request>();
  peer.send(wire::Data{.request = request.id + 77, .proof = honest_proof(request)});
  expect_nothing_stored();
  EXPECT_FALSE(node_.closed(peer.id));
}

TEST_F(EngineAttack, GarbageEndsTheConnection) {
  RawPeer peer(node_);
  peer.send_garbage(Bytes(100, 0x55));
  EXPECT_TRUE(node_.closed(peer.id));
  EXPECT_EQ(counters().limit_exceeded + counters().bad_handshake, 1u);
}

TEST_F(EngineAttack, AnOversizedFrameIsRefusedByItsHeader) {
  RawPeer peer(node_);
  peer.send_garbage(Bytes{0xff, 0xff, 0xff});
  EXPECT_EQ(node_.closed(peer.id), ErrorCode::LimitExceeded);
}

TEST_F(EngineAttack, AHalfOpenHandshakeTimesOut) {
  sync::PeerId const id =
      node_.engine.connect(wire::Role::Responder, KeyPair::random(), {}, node_.now);
  for (int i = 0; i < 21; ++i) node_.advance(Duration(500));
  EXPECT_EQ(node_.closed(id), ErrorCode::Unavailable);
  EXPECT_EQ(counters().timed_out, 1u);
}

TEST_F(EngineAttack, ASilentConnectionIsDropped) {
  RawPeer peer(node_);
  for (int i = 0; i < 61; ++i) node_.advance(Duration(500));
  EXPECT_EQ(node_.closed(peer.id), ErrorCode::Unavailable);
}

TEST_F(EngineAttack, ADuplicateChannelIdEndsTheConnection) {
  RawPeer peer(node_);
  peer.open(core_.key());
  Encoder open;
  open.write_uint(0).write_uint(1).write_uint(1).write_string("hypercore/alpha");
  open.write_buffer(discovery_key_of(core_.key()).view());
  peer.send_frame(open.view());
  EXPECT_EQ(node_.closed(peer.id), ErrorCode::Protocol);
}

TEST_F(EngineAttack, AMessageThatDoesNotDecodeEndsTheConnection) {
  RawPeer peer(node_);
  peer.open(core_.key());
  peer.send_raw(wire::Request::kType, Bytes{1});
  EXPECT_EQ(node_.closed(peer.id), ErrorCode::Malformed);
  EXPECT_EQ(counters().malformed, 1u);
}

TEST_F(EngineAttack, UnknownMessagesExtensionsAndProtocolsAreHarmless) {
  RawPeer peer(node_);
  peer.open(core_.key());
  peer.send_raw(77, Bytes{1, 2, 3});
  peer.send(wire::Extension{.name = "x", .body = {1}});
  ASSERT_TRUE(peer.mux->open("unknown", {}, {}).ok());
  peer.exchange();
  EXPECT_TRUE(peer.rejected);
  EXPECT_FALSE(node_.closed(peer.id));
}

TEST_F(EngineAttack, RequestsOutOfRangeAreAnsweredWithNoData) {
  RawPeer peer(node_);
  peer.open(core_.key());
  constexpr std::uint64_t kMax = (std::uint64_t{1} << 53) - 1;
  std::uint64_t id = 0;
  for (std::uint64_t const value : {std::uint64_t{8}, std::uint64_t{1} << 40, kMax}) {
    wire::Request block{.id = ++id, .fork = 0, .what = {}, .priority = 0};
    block.what.block = merkle::ProofRequest::Block{.index = BlockIndex(value), .nodes = value};
    peer.send(block);
    wire::Request hash{.id = ++id, .fork = 0, .what = {}, .priority = 0};
    hash.what.hash = merkle::ProofRequest::HashNode{
        .index = TreeIndex(value * 2 > kMax ? kMax : value * 2), .nodes = value};
    peer.send(hash);
    wire::Request upgrade{.id = ++id, .fork = 0, .what = {}, .priority = 0};
    upgrade.what.upgrade = merkle::ProofRequest::Upgrade{.start = value, .length = value};
    peer.send(upgrade);
  }
  EXPECT_EQ(peer.all<wire::NoData>().size(), id);
}

TEST_F(EngineAttack, ALyingBitfieldCostsNothingAndStallsNobody) {
  RawPeer liar = false_writer();
  constexpr std::uint64_t kMax = (std::uint64_t{1} << 53) - 1;
  liar.send(wire::Range{.drop = false, .start = 5, .length = kMax - 5});
  liar.send(wire::Range{.drop = true, .start = 0, .length = kMax});
  for (std::uint64_t i = 0; i < 40; ++i) {
    liar.send(
        wire::Bitfield{.start = i << 40, .words = std::vector<std::uint32_t>(65'536, 0xffffffff)});
  }
  // It has nothing: every request gets NoData.
  std::size_t answered = 0;
  while (liar.all<wire::Request>().size() > answered) {
    liar.send(wire::NoData{.request = liar.all<wire::Request>()[answered].id,
                           .reason = wire::NoData::Reason::NotAvailable});
    ASSERT_LT(++answered, 100u) << "asked at full speed for what is not there";
  }
  EXPECT_FALSE(node_.closed(liar.id));
  expect_nothing_stored();
}

TEST_F(EngineAttack, AFloodOfRequestsIsBounded) {
  sync::Options options;
  options.requests_per_channel_max = 16;
  EngineUnderTest node(options);
  node.host(core_);
  RawPeer peer(node);
  peer.open(core_.key());
  Encoder batch;
  batch.write_uint(0).write_uint(0).write_uint(peer.channel.value());
  for (std::uint64_t id = 1; id <= 100; ++id) {
    wire::Request request{.id = id, .fork = 0, .what = {}, .priority = 0};
    request.what.block = merkle::ProofRequest::Block{.index = BlockIndex(0), .nodes = 0};
    Encoder one;
    one.write_uint(wire::Request::kType).write_raw(wire::encode(request));
    batch.write_buffer(one.view());
  }
  peer.send_frame(batch.view());
  EXPECT_EQ(node.closed(peer.id), ErrorCode::LimitExceeded);
}

}  // namespace
}  // namespace holdfast::sync
