#include <map>

#include <gtest/gtest.h>

#include "support/hypercore_vectors.h"
#include "support/raw_peer.h"

namespace holdfast::sync {
namespace {

using testing::bytes_of;
using testing::EngineUnderTest;
using testing::hypercore_vectors;
using testing::RawPeer;
using testing::TestCore;

/// One message of a recorded session.
struct Recorded {
  bool from_responder = false;
  std::string type;
  nlohmann::json message;
};

std::vector<Recorded> messages_of(nlohmann::json const& transcript) {
  std::vector<Recorded> out;
  for (auto const& frame : transcript.at("frames")) {
    if (!frame.contains("decoded")) continue;
    for (auto const& decoded : frame.at("decoded")) {
      auto const entries =
          decoded.contains("batch") ? decoded.at("batch") : nlohmann::json::array({decoded});
      for (auto const& entry : entries) {
        if (!entry.contains("type")) continue;
        out.push_back({frame.at("from") == "responder", entry.at("type"), entry.at("msg")});
      }
    }
  }
  return out;
}

/// The Data bodies that the recorded responder sent, in order, as bytes.
std::vector<Bytes> data_bodies_of(nlohmann::json const& transcript) {
  std::vector<Bytes> out;
  for (auto const& frame : transcript.at("frames")) {
    if (!frame.contains("plain") || frame.at("from") != "responder") continue;
    Bytes const plain = bytes_of(frame.at("plain"));
    // Data is never sent in a batch: channel 1, type 3, body.
    if (plain.size() > 2 && plain[0] == 1 && plain[1] == wire::Data::kType) {
      out.emplace_back(plain.begin() + 2, plain.end());
    }
  }
  return out;
}

wire::Request request_of(nlohmann::json const& json) {
  wire::Request out;
  out.id = json.at("id");
  out.fork = json.at("fork");
  if (!json.at("block").is_null()) {
    out.what.block = merkle::ProofRequest::Block{.index = BlockIndex(json["block"]["index"]),
                                                 .nodes = json["block"]["nodes"]};
  }
  if (!json.at("hash").is_null()) {
    out.what.hash = merkle::ProofRequest::HashNode{.index = TreeIndex(json["hash"]["index"]),
                                                   .nodes = json["hash"]["nodes"]};
  }
  if (!json.at("upgrade").is_null()) {
    out.what.upgrade = merkle::ProofRequest::Upgrade{.start = json["upgrade"]["start"],
                                                     .length = json["upgrade"]["length"]};
  }
  out.what.manifest = json.at("manifest");
  return out;
}

/// Block values of the recording, by fork and index: what its Data messages show, otherwise those of merkle.json.
class Values {
 public:
  explicit Values(std::vector<Recorded> const& messages) {
    for (Recorded const& one : messages) {
      if (one.type != "data" || one.message.at("block").is_null()) continue;
      nlohmann::json const& block = one.message["block"];
      shown_[{one.message.at("fork"), block.at("index")}] = bytes_of(block.at("value"));
    }
  }
  Bytes at(std::uint64_t fork, std::uint64_t index) const {
    auto const shown = shown_.find({fork, index});
    if (shown != shown_.end()) return shown->second;
    return bytes_of(rows_.at(index + 1).at("block").at("value"));
  }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, Bytes> shown_;
  nlohmann::json rows_ = hypercore_vectors("merkle.json").at("rows");
};

/// The writer as it was with this fork and length: the recorded fork goes from 5 blocks back to 3.
TestCore writer_at(Values const& values, std::uint64_t fork, std::uint64_t length) {
  TestCore core(1);
  for (std::uint64_t i = 0; i < (fork == 0 ? length : 5); ++i) core.append(values.at(0, i));
  if (fork == 0) return core;
  core.truncate(3);
  for (std::uint64_t i = 3; i < length; ++i) core.append(values.at(1, i));
  return core;
}

class RecordedSessions : public ::testing::TestWithParam<std::size_t> {};

TEST_P(RecordedSessions, EngineInTheRespondersPlaceSendsTheSameData) {
  ASSERT_TRUE(init_crypto().ok());
  nlohmann::json const transcript = hypercore_vectors("transcripts.json").at(GetParam());
  std::vector<Recorded> const messages = messages_of(transcript);
  std::vector<Bytes> const expected = data_bodies_of(transcript);
  Values const values(messages);

  std::size_t compared = 0;
  std::map<std::uint64_t, wire::Request> asked;
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  for (Recorded const& one : messages) {
    if (one.type == "sync" && one.from_responder) {
      fork = one.message.at("fork");
      length = one.message.at("length");
    } else if (one.type == "request" && !one.from_responder) {
      asked[one.message.at("id")] = request_of(one.message);
    } else if (one.type == "data" && one.from_responder) {
      TestCore const writer = writer_at(values, fork, length);
      EngineUnderTest node;
      node.host(writer);
      RawPeer peer(node);
      peer.open(writer.key());
      peer.send(asked.at(one.message.at("request")));
      std::optional<wire::Data> const data = peer.last<wire::Data>();
      ASSERT_TRUE(data.has_value());
      ASSERT_LT(compared, expected.size());
      EXPECT_EQ(to_hex(wire::encode(*data)), to_hex(expected[compared]));
      ++compared;
    }
  }
  EXPECT_EQ(compared, expected.size());
}

INSTANTIATE_TEST_SUITE_P(All, RecordedSessions, ::testing::Range<std::size_t>(0, 6));

}  // namespace
}  // namespace holdfast::sync
