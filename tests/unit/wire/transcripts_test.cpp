#include <map>
#include <set>

#include <gtest/gtest.h>

#include "support/message_json.h"
#include "support/mux_frames.h"
#include "support/transport_pair.h"
#include "support/vectors.h"
#include "wire/capability.h"
#include "wire/channel_mux.h"

namespace holdfast::wire {
namespace {

using testing::BatchEntry;
using testing::hex_bytes;
using testing::hex_fixed;

/// Six whole sessions between JavaScript peers, replayed through our own code in both places at once.
class Transcripts : public ::testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override { ASSERT_TRUE(init_crypto().ok()); }

  nlohmann::json const transcripts_ = testing::load_vectors("transcripts.json");
  nlohmann::json const& transcript_ = transcripts_.at(GetParam());
};

Role role_of(nlohmann::json const& frame) {
  return frame.at("from") == "initiator" ? Role::Initiator : Role::Responder;
}

Transport make_transport(nlohmann::json const& transcript, Role role) {
  std::string const who = role == Role::Initiator ? "initiator" : "responder";
  return {role, KeyPair::from_seed(hex_fixed<Seed>(transcript.at(who + "StaticSeed"))),
          KeyPair::from_seed(hex_fixed<Seed>(transcript.at(who + "EphemeralSeed"))),
          testing::header_of_byte(role == Role::Initiator ? 0xd0 : 0xd1), TransportOptions{}};
}

TEST_P(Transcripts, EveryFrameEncryptsAndDecryptsToTheSameBytes) {
  Transport initiator = make_transport(transcript_, Role::Initiator);
  Transport responder = make_transport(transcript_, Role::Responder);
  std::map<Role, Bytes> output;  // Of each side, not yet compared.
  std::size_t compared = 0;
  for (auto const& frame : transcript_.at("frames")) {
    if (!frame.contains("raw")) continue;
    Role const from = role_of(frame);
    Transport& sender = from == Role::Initiator ? initiator : responder;
    Transport& receiver = from == Role::Initiator ? responder : initiator;
    Bytes const raw = hex_bytes(frame.at("raw"));
    bool const is_message = frame.at("kind") == "message";
    Bytes const plain = is_message ? hex_bytes(frame.at("plain")) : Bytes{};
    if (is_message) sender.send(plain);
    append(output[from], sender.take_output());
    ASSERT_GE(output[from].size(), raw.size());
    ASSERT_EQ(to_hex(ByteView(output[from]).first(raw.size())), to_hex(raw));
    output[from].erase(output[from].begin(),
                       output[from].begin() + static_cast<std::ptrdiff_t>(raw.size()));
    ASSERT_TRUE(receiver.receive(raw).ok());
    std::vector<Bytes> const expected =
        plain.empty() ? std::vector<Bytes>{} : std::vector<Bytes>{plain};
    ASSERT_EQ(testing::take_frames(receiver), expected);
    ++compared;
  }
  EXPECT_GE(compared, 7U);
  EXPECT_TRUE(output[Role::Initiator].empty() && output[Role::Responder].empty());
  EXPECT_TRUE(initiator.open() && responder.open());
}

/// Decodes one entry, compares it with how the recording spells it out, and encodes it again.
Bytes reencode(BatchEntry const& entry, nlohmann::json const& decoded,
               nlohmann::json const& transcript, Role from, Hash64 const& handshake_hash) {
  Decoder in(entry.bytes);
  std::uint64_t const type = in.read_uint();
  if (entry.channel != 0) {
    auto const message = decode_message(type, in.read_rest(), MessageLimits{});
    HOLDFAST_CHECK(message.ok() && message->has_value());
    EXPECT_EQ(decoded.at("channel").get<std::uint64_t>(), entry.channel);
    EXPECT_EQ(decoded.at("type").get<std::string>(), testing::type_name(**message));
    testing::expect_fields(**message, decoded.at("msg"));
    return testing::entry(type, encode(**message));
  }
  std::uint64_t const id = in.read_uint();
  if (type == 1) {
    std::string const protocol(in.read_string(100));
    Bytes const name = to_bytes(in.read_buffer(100));
    OpenHandshake const handshake = *decode_open_handshake(in.read_rest());
    CoreKey const key = hex_fixed<CoreKey>(transcript.at("key"));
    EXPECT_EQ(handshake.capability, capability(from, handshake_hash, key));
    EXPECT_EQ(to_hex(name), discovery_key_of(key).hex());
    EXPECT_EQ(decoded.at("ctrl"), "open");
    EXPECT_EQ(decoded.at("protocol").get<std::string>(), protocol);
    EXPECT_EQ(decoded.at("handshake").at("seeks").get<bool>(), handshake.seeks);
    return testing::open_entry(id, protocol, name, encode(handshake));
  }
  EXPECT_EQ(decoded.at("ctrl"), type == 2 ? "reject" : "close");
  EXPECT_EQ(decoded.at("id").get<std::uint64_t>(), id);
  return type == 2 ? testing::reject_entry(id) : testing::close_entry(id);
}

bool is_batch(ByteView plain) { return plain.size() > 2 && plain[0] == 0 && plain[1] == 0; }

/// The entries of a frame, which is one if it is no batch.
std::vector<BatchEntry> entries_of(ByteView plain) {
  if (is_batch(plain)) return testing::read_batch(plain.subspan(2));
  Decoder in(plain);
  std::uint64_t const channel = in.read_uint();
  return {BatchEntry{.channel = channel, .bytes = to_bytes(in.read_rest())}};
}

Bytes single_frame(BatchEntry const& entry) {
  Encoder out;
  out.write_uint(entry.channel).write_raw(entry.bytes);
  return std::move(out).take();
}

Hash64 handshake_hash_of(nlohmann::json const& transcript) {
  Transport initiator = make_transport(transcript, Role::Initiator);
  Transport responder = make_transport(transcript, Role::Responder);
  testing::pump(initiator, responder);
  return *initiator.handshake_hash();
}

TEST_P(Transcripts, EveryMessageDecodesAndEncodesToTheSameBytes) {
  Hash64 const handshake_hash = handshake_hash_of(transcript_);
  std::size_t compared = 0;
  for (auto const& frame : transcript_.at("frames")) {
    if (!frame.contains("plain")) continue;
    Bytes const plain = hex_bytes(frame.at("plain"));
    if (plain.empty()) continue;
    nlohmann::json const& decoded = frame.at("decoded").at(0);
    std::vector<BatchEntry> entries = entries_of(plain);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      nlohmann::json const& one = is_batch(plain) ? decoded.at("batch").at(i) : decoded;
      Bytes bytes = reencode(entries[i], one, transcript_, role_of(frame), handshake_hash);
      EXPECT_EQ(to_hex(bytes), to_hex(entries[i].bytes));
      entries[i].bytes = std::move(bytes);
      ++compared;
    }
    Bytes const again =
        is_batch(plain) ? testing::batch_frame(entries) : single_frame(entries.at(0));
    EXPECT_EQ(to_hex(again), to_hex(plain));
  }
  EXPECT_GE(compared, 2U);
}

/// One side of a recorded session, played by our mux: told to do what that side did, it has to say the same.
class PlayedSide {
 public:
  void play(BatchEntry const& entry) {
    Decoder in(entry.bytes);
    std::uint64_t const type = in.read_uint();
    if (entry.channel != 0) {
      mux_.send(ChannelId(entry.channel), type, in.read_rest());
      expect_output(entry);
      return;
    }
    std::uint64_t const id = in.read_uint();
    if (type == 1) {
      play_open(id, in);
      expect_output(entry);
    } else if (type == 2) {
      mux_.reject(waiting_.at(id));
      waiting_.erase(id);
      expect_output(entry);
    } else if (!closed_by_remote_.contains(
                   ChannelId(id))) {  // Their Close may have crossed this one.
      mux_.close(ChannelId(id));
      expect_output(entry);
    }
    mux_.check_invariants();
  }
  void hear(ByteView plain) {
    ASSERT_TRUE(mux_.receive(to_bytes(plain)).ok());
    while (std::optional<MuxEvent> const event = mux_.next_event()) {
      if (auto const* remote = std::get_if<RemoteOpen>(&*event))
        waiting_[remote->remote_id] = *remote;
      if (auto const* closed = std::get_if<Closed>(&*event))
        closed_by_remote_.insert(closed->channel);
      if (std::holds_alternative<ChannelMessage>(*event)) ++messages_;
    }
    mux_.check_invariants();
  }
  std::size_t messages() const { return messages_; }

 private:
  void play_open(std::uint64_t id, Decoder& in) {
    std::string_view const protocol = in.read_string(100);
    ByteView const name = in.read_buffer(100);
    ByteView const handshake = in.read_rest();
    closed_by_remote_.erase(ChannelId(id));
    for (auto const& [remote_id, remote] : waiting_) {
      if (remote.id != to_bytes(name)) continue;
      EXPECT_EQ(*mux_.accept(remote, handshake), ChannelId(id));
      waiting_.erase(remote_id);
      return;
    }
    EXPECT_EQ(*mux_.open(protocol, name, handshake), ChannelId(id));
  }
  void expect_output(BatchEntry const& entry) {
    std::optional<Bytes> const output = mux_.next_output();
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(to_hex(*output), to_hex(single_frame(entry)));
  }

  ChannelMux mux_{MuxLimits{}};
  std::map<std::uint64_t, RemoteOpen> waiting_;
  std::set<ChannelId> closed_by_remote_;
  std::size_t messages_ = 0;
};

TEST_P(Transcripts, OurMuxPlaysBothSides) {
  PlayedSide initiator;
  PlayedSide responder;
  std::size_t sent = 0;
  for (auto const& frame : transcript_.at("frames")) {
    if (!frame.contains("plain")) continue;
    Bytes const plain = hex_bytes(frame.at("plain"));
    if (plain.empty()) continue;
    bool const from_initiator = role_of(frame) == Role::Initiator;
    for (BatchEntry const& entry : entries_of(plain)) {
      (from_initiator ? initiator : responder).play(entry);
      sent += entry.channel != 0 ? 1U : 0U;
    }
    (from_initiator ? responder : initiator).hear(plain);
  }
  EXPECT_LE(initiator.messages() + responder.messages(), sent);
  EXPECT_EQ(initiator.messages() + responder.messages() > 0, sent > 0);
}

INSTANTIATE_TEST_SUITE_P(All, Transcripts, ::testing::Range(std::size_t{0}, std::size_t{6}));

}  // namespace
}  // namespace holdfast::wire
