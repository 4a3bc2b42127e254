#include "wire/channel_mux.h"

#include <gtest/gtest.h>

#include "support/mux_frames.h"

namespace holdfast::wire {
namespace {

using namespace holdfast::testing;  // The frames of the remote.

constexpr std::string_view kProtocol = "hypercore/alpha";

Bytes text(std::string_view words) { return to_bytes(as_bytes(words)); }

class ChannelMuxTest : public ::testing::Test {
 protected:
  Result<void> receive(Bytes frame) {
    Result<void> result = mux_.receive(std::move(frame));
    mux_.check_invariants();
    return result;
  }
  void expect_fine(Bytes frame) { EXPECT_TRUE(receive(std::move(frame)).ok()); }
  void expect_refused(Bytes frame, ErrorCode code) {
    Result<void> const result = receive(std::move(frame));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, code);
  }
  /// The next event, which has to be of this kind.
  template <typename Event>
  Event event() {
    std::optional<MuxEvent> next = mux_.next_event();
    mux_.check_invariants();
    HOLDFAST_CHECK(next.has_value() && std::holds_alternative<Event>(*next));
    return std::get<Event>(std::move(*next));
  }
  void expect_no_event() { EXPECT_FALSE(mux_.next_event().has_value()); }
  void expect_output(Bytes const& frame) {
    std::optional<Bytes> const output = mux_.next_output();
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(to_hex(*output), to_hex(frame));
  }
  void expect_no_output() { EXPECT_FALSE(mux_.next_output().has_value()); }

  ChannelId open(std::string_view name) {
    ChannelId const id = *mux_.open(kProtocol, as_bytes(name), as_bytes("ours"));
    expect_output(open_frame(id.value(), kProtocol, as_bytes(name), as_bytes("ours")));
    return id;
  }
  Bytes remote_open(std::uint64_t id, std::string_view name) {
    return open_frame(id, kProtocol, as_bytes(name), as_bytes("theirs"));
  }
  /// A live channel: our Open, then theirs.
  ChannelId pair(std::uint64_t remote_id, std::string_view name) {
    ChannelId const id = open(name);
    expect_fine(remote_open(remote_id, name));
    EXPECT_EQ(event<Paired>().channel, id);
    return id;
  }

  MuxLimits limits_{};
  ChannelMux mux_{limits_};
};

// --- Opening

TEST_F(ChannelMuxTest, PairsWhenTheRemoteAnswersOurOpen) {
  ChannelId const id = open("a");
  EXPECT_EQ(id, ChannelId(1));
  expect_fine(remote_open(1, "a"));
  Paired const paired = event<Paired>();
  EXPECT_EQ(paired.channel, id);
  EXPECT_EQ(paired.handshake, text("theirs"));
  expect_no_output();
  expect_no_event();
}

TEST_F(ChannelMuxTest, ReportsAnOpenOfTheRemote) {
  expect_fine(remote_open(1, "a"));
  RemoteOpen const remote = event<RemoteOpen>();
  EXPECT_EQ(remote.remote_id, 1U);
  EXPECT_EQ(remote.protocol, kProtocol);
  EXPECT_EQ(remote.id, text("a"));
  EXPECT_EQ(remote.handshake, text("theirs"));
  expect_no_output();
}

TEST_F(ChannelMuxTest, AnswersAnAcceptedOpenOnceAndWithoutAnEvent) {
  expect_fine(remote_open(1, "a"));
  RemoteOpen const remote = event<RemoteOpen>();
  ChannelId const id = *mux_.accept(remote, as_bytes("ours"));
  expect_output(open_frame(1, kProtocol, as_bytes("a"), as_bytes("ours")));
  expect_no_output();
  expect_no_event();
  EXPECT_EQ(mux_.accept(remote, as_bytes("ours")).error().code, ErrorCode::NotFound);
  mux_.reject(remote);
  expect_no_output();
  expect_fine(message_frame(1, 3, as_bytes("body")));
  EXPECT_EQ(event<ChannelMessage>().channel, id);
}

TEST_F(ChannelMuxTest, RejectsExactlyOnce) {
  expect_fine(remote_open(1, "a"));
  RemoteOpen const remote = event<RemoteOpen>();
  mux_.reject(remote);
  mux_.reject(remote);
  expect_output(reject_frame(1));
  expect_no_output();
  EXPECT_FALSE(mux_.accept(remote, {}).ok());
}

TEST_F(ChannelMuxTest, HearsTheRemotesReject) {
  ChannelId const id = open("a");
  expect_fine(reject_frame(1));
  EXPECT_EQ(event<Rejected>().channel, id);
  EXPECT_EQ(mux_.channel_count(), 0U);
  EXPECT_EQ(open("a"), id);
}

TEST_F(ChannelMuxTest, PairsOpensThatCross) {
  ChannelId const ours = open("b");
  expect_fine(remote_open(1, "a"));
  expect_fine(remote_open(2, "b"));
  EXPECT_EQ(event<RemoteOpen>().id, text("a"));
  EXPECT_EQ(event<Paired>().channel, ours);
  expect_no_output();
  mux_.send(ours, 4, as_bytes("x"));
  expect_output(message_frame(1, 4, as_bytes("x")));
}

TEST_F(ChannelMuxTest, TellsProtocolsAndIdsApart) {
  open("a");
  expect_fine(open_frame(1, "blind-peer", as_bytes("a"), {}));
  EXPECT_EQ(event<RemoteOpen>().protocol, "blind-peer");
  expect_fine(open_frame(2, kProtocol, {}, {}));
  EXPECT_EQ(event<RemoteOpen>().id, Bytes{});
}

TEST_F(ChannelMuxTest, PairsAtOnceWithAnOpenThatWaits) {
  expect_fine(remote_open(1, "a"));
  expect_fine(message_frame(1, 9, as_bytes("kept")));
  RemoteOpen const remote = event<RemoteOpen>();
  ChannelId const id = open("a");
  EXPECT_EQ(event<Paired>().channel, id);
  EXPECT_EQ(to_bytes(event<ChannelMessage>().body), text("kept"));
  mux_.reject(remote);
  EXPECT_FALSE(mux_.accept(remote, {}).ok());
  expect_no_output();
}

TEST_F(ChannelMuxTest, WithdrawsTheReportOfAnOpenThatPairedMeanwhile) {
  expect_fine(remote_open(1, "a"));
  ChannelId const id = open("a");
  EXPECT_EQ(event<Paired>().channel, id);
  expect_no_event();
}

TEST_F(ChannelMuxTest, TakesTheOldNameOfTheProtocolForTheNewOne) {
  ChannelId const id = open("a");
  expect_fine(open_frame(1, "hypercore", as_bytes("a"), {}));
  EXPECT_EQ(event<Paired>().channel, id);
}

TEST_F(ChannelMuxTest, AnswersTheOldNameWithTheOldName) {
  expect_fine(open_frame(1, "hypercore", as_bytes("a"), {}));
  RemoteOpen const remote = event<RemoteOpen>();
  EXPECT_EQ(remote.protocol, kProtocol);
  ASSERT_TRUE(mux_.accept(remote, {}).ok());
  expect_output(open_frame(1, "hypercore", as_bytes("a"), {}));
}

TEST_F(ChannelMuxTest, RejectsASecondOpenOfWhatIsOpen) {
  ChannelId const id = pair(1, "a");
  expect_fine(remote_open(2, "a"));
  expect_output(reject_frame(2));
  expect_no_event();
  expect_fine(message_frame(1, 0, {}));
  EXPECT_EQ(event<ChannelMessage>().channel, id);
}

TEST_F(ChannelMuxTest, RejectsASecondOpenOfWhatWaits) {
  expect_fine(remote_open(1, "a"));
  expect_fine(remote_open(2, "a"));
  expect_output(reject_frame(2));
  EXPECT_EQ(event<RemoteOpen>().remote_id, 1U);
  expect_no_event();
}

// --- Ids

TEST_F(ChannelMuxTest, RefusesAnIdThatIsInUse) {
  pair(1, "a");
  expect_refused(remote_open(1, "b"), ErrorCode::Protocol);
}

TEST_F(ChannelMuxTest, RefusesAnIdThatWaitsForItsAnswer) {
  expect_fine(remote_open(1, "a"));
  expect_refused(remote_open(1, "b"), ErrorCode::Protocol);
}

TEST_F(ChannelMuxTest, RefusesIdsWithGapsAndZero) {
  expect_refused(remote_open(2, "a"), ErrorCode::Protocol);
  expect_refused(remote_open(0, "a"), ErrorCode::Protocol);
}

TEST_F(ChannelMuxTest, TakesARemoteIdAgainAfterItsClose) {
  pair(1, "a");
  expect_fine(close_frame(1));
  event<Closed>();
  expect_fine(remote_open(1, "b"));
  EXPECT_EQ(event<RemoteOpen>().id, text("b"));
}

TEST_F(ChannelMuxTest, TakesARemoteIdAgainAfterOurClose) {
  mux_.close(pair(1, "a"));
  expect_output(close_frame(1));
  expect_fine(remote_open(1, "a"));
  EXPECT_EQ(event<RemoteOpen>().remote_id, 1U);
}

TEST_F(ChannelMuxTest, TakesARemoteIdAgainAfterOurReject) {
  expect_fine(remote_open(1, "a"));
  mux_.reject(event<RemoteOpen>());
  expect_fine(remote_open(1, "a"));
  EXPECT_EQ(event<RemoteOpen>().remote_id, 1U);
}

TEST_F(ChannelMuxTest, KeepsOwnIdsDenseAndUsesTheLowestFreeOne) {
  EXPECT_EQ(pair(1, "a"), ChannelId(1));
  EXPECT_EQ(pair(2, "b"), ChannelId(2));
  EXPECT_EQ(open("c"), ChannelId(3));
  mux_.close(ChannelId(2));
  expect_output(close_frame(2));
  mux_.close(ChannelId(1));
  expect_output(close_frame(1));
  EXPECT_EQ(open("d"), ChannelId(1));
  EXPECT_EQ(open("e"), ChannelId(2));
  EXPECT_EQ(open("f"), ChannelId(4));
}

TEST_F(ChannelMuxTest, KeepsAnIdUntilItsCloseWasHeard) {
  ChannelId const id = pair(1, "a");
  expect_fine(close_frame(1));
  EXPECT_EQ(open("b"), ChannelId(2));
  EXPECT_EQ(event<Closed>().channel, id);
  EXPECT_EQ(open("c"), ChannelId(1));
}

// --- Closing

TEST_F(ChannelMuxTest, KeepsACloseBackUntilTheRemoteOpened) {
  ChannelId const id = open("a");
  mux_.close(id);
  expect_no_output();
  EXPECT_EQ(mux_.channel_count(), 0U);
  EXPECT_EQ(open("b"), ChannelId(2));  // The id is not free before the answer.
  expect_fine(remote_open(1, "a"));
  expect_output(close_frame(1));
  expect_no_event();
  EXPECT_EQ(open("c"), ChannelId(1));
}

TEST_F(ChannelMuxTest, NeedsNoCloseAfterAReject) {
  mux_.close(open("a"));
  expect_fine(reject_frame(1));
  expect_no_output();
  expect_no_event();
  EXPECT_EQ(open("b"), ChannelId(1));
}

TEST_F(ChannelMuxTest, RevivesAChannelWhoseCloseIsKeptBack) {
  ChannelId const id = open("a");
  mux_.close(id);
  EXPECT_EQ(*mux_.open(kProtocol, as_bytes("a"), as_bytes("ours")), id);
  expect_no_output();
  expect_fine(remote_open(1, "a"));
  EXPECT_EQ(event<Paired>().channel, id);
  expect_no_output();
}

TEST_F(ChannelMuxTest, DoesNotReviveAChannelUnderAnotherHandshake) {
  mux_.close(open("a"));
  EXPECT_EQ(mux_.open(kProtocol, as_bytes("a"), as_bytes("other")).error().code,
            ErrorCode::Conflict);
}

TEST_F(ChannelMuxTest, LetsClosesCross) {
  mux_.close(pair(1, "a"));
  expect_output(close_frame(1));
  expect_fine(close_frame(1));
  expect_no_event();
  EXPECT_EQ(pair(1, "a"), ChannelId(1));
}

TEST_F(ChannelMuxTest, ClosesOfUnknownChannelsAreIgnored) {
  expect_fine(close_frame(7));
  expect_no_event();
  expect_no_output();
}

TEST_F(ChannelMuxTest, DeliversWhatCameBeforeTheRemotesClose) {
  ChannelId const id = pair(1, "a");
  expect_fine(message_frame(1, 3, as_bytes("last")));
  expect_fine(close_frame(1));
  EXPECT_EQ(to_bytes(event<ChannelMessage>().body), text("last"));
  EXPECT_EQ(event<Closed>().channel, id);
}

TEST_F(ChannelMuxTest, EndsTheEventsOfAChannelAtItsClose) {
  ChannelId const id = pair(1, "a");
  expect_fine(message_frame(1, 3, as_bytes("late")));
  expect_fine(close_frame(1));
  mux_.close(id);
  expect_no_event();
  expect_no_output();  // They closed first: nothing to tell them.
}

TEST_F(ChannelMuxTest, DoesNotMixUpTwoChannelsOfOneId) {
  ChannelId const first = pair(1, "a");
  expect_fine(message_frame(1, 3, as_bytes("of the first")));
  mux_.close(first);
  expect_output(close_frame(1));
  ChannelId const second = pair(1, "b");
  EXPECT_EQ(second, first);
  expect_fine(message_frame(1, 3, as_bytes("of the second")));
  EXPECT_EQ(to_bytes(event<ChannelMessage>().body), text("of the second"));
}

TEST_F(ChannelMuxTest, DropsWhatIsSentToAChannelThatTheRemoteClosed) {
  ChannelId const id = pair(1, "a");
  expect_fine(close_frame(1));
  mux_.send(id, 1, as_bytes("too late"));
  expect_no_output();
}

TEST_F(ChannelMuxTest, RejectsAnOpenThatTheRemoteTookBack) {
  expect_fine(remote_open(1, "a"));
  expect_fine(message_frame(1, 2, as_bytes("kept")));
  expect_fine(close_frame(1));
  expect_output(reject_frame(1));
  expect_no_event();
}

TEST_F(ChannelMuxTest, DoesNotTakeTheAnswerToOneOpenForAnother) {
  expect_fine(remote_open(1, "a"));
  RemoteOpen const old = event<RemoteOpen>();
  expect_fine(close_frame(1));
  expect_output(reject_frame(1));
  expect_fine(open_frame(1, kProtocol, as_bytes("a"), as_bytes("another proof")));
  EXPECT_EQ(mux_.accept(old, {}).error().code, ErrorCode::NotFound);
  mux_.reject(old);
  expect_no_output();
  EXPECT_EQ(event<RemoteOpen>().handshake, text("another proof"));
}

// --- Rejects that nobody asked for

TEST_F(ChannelMuxTest, RefusesARejectOfAnUnknownChannel) {
  expect_refused(reject_frame(1), ErrorCode::Protocol);
}

TEST_F(ChannelMuxTest, RefusesARejectOfALiveChannel) {
  pair(1, "a");
  expect_refused(reject_frame(1), ErrorCode::Protocol);
}

TEST_F(ChannelMuxTest, RefusesASecondReject) {
  open("a");
  expect_fine(reject_frame(1));
  expect_refused(reject_frame(1), ErrorCode::Protocol);
}

// --- Messages

TEST_F(ChannelMuxTest, CarriesMessagesUnderTheSendersOwnId) {
  open("other");
  ChannelId const id = open("a");
  expect_fine(remote_open(1, "a"));
  event<Paired>();
  mux_.send(id, 300, as_bytes("body"));
  expect_output(message_frame(2, 300, as_bytes("body")));
  expect_fine(message_frame(1, 300, as_bytes("answer")));
  ChannelMessage const message = event<ChannelMessage>();
  EXPECT_EQ(message.channel, id);
  EXPECT_EQ(message.type, 300U);
  EXPECT_EQ(to_bytes(message.body), text("answer"));
}

TEST_F(ChannelMuxTest, IgnoresMessagesOnUnknownChannels) {
  expect_fine(message_frame(5, 1, as_bytes("x")));
  expect_fine(Bytes{5});
  expect_no_event();
}

TEST_F(ChannelMuxTest, RefusesAMessageWithoutItsType) {
  pair(1, "a");
  expect_refused(Bytes{1}, ErrorCode::Malformed);
}

TEST_F(ChannelMuxTest, MayBeSentToBeforeTheRemoteAnswered) {
  mux_.send(open("a"), 1, as_bytes("early"));
  expect_output(message_frame(1, 1, as_bytes("early")));
}

TEST_F(ChannelMuxTest, KeepsMessagesForAnOpenThatWaits) {
  expect_fine(remote_open(1, "a"));
  expect_fine(message_frame(1, 1, as_bytes("one")));
  expect_fine(message_frame(1, 2, as_bytes("two")));
  RemoteOpen const remote = event<RemoteOpen>();
  expect_no_event();
  ASSERT_TRUE(mux_.accept(remote, {}).ok());
  EXPECT_EQ(to_bytes(event<ChannelMessage>().body), text("one"));
  EXPECT_EQ(event<ChannelMessage>().type, 2U);
  expect_no_event();
}

TEST_F(ChannelMuxTest, ForgetsMessagesKeptForARejectedOpen) {
  expect_fine(remote_open(1, "a"));
  expect_fine(message_frame(1, 1, as_bytes("one")));
  mux_.reject(event<RemoteOpen>());
  expect_fine(message_frame(1, 1, as_bytes("still on its way")));
  expect_no_event();
}

TEST_F(ChannelMuxTest, IgnoresEmptyFramesAndUnknownControls) {
  expect_fine({});
  expect_fine(Bytes{0, 9, 1, 2});
  expect_no_event();
  expect_no_output();
}

// --- Batches

TEST_F(ChannelMuxTest, ReadsBatchesLikeTheirSingleMessages) {
  ChannelId const id = open("a");
  expect_fine(batch_frame({{0, open_entry(1, kProtocol, as_bytes("a"), as_bytes("theirs"))},
                           {1, entry(0, as_bytes("sync"))},
                           {1, entry(8, as_bytes("range"))},
                           {0, open_entry(2, kProtocol, as_bytes("b"), {})},
                           {2, entry(0, as_bytes("kept"))},
                           {0, close_entry(1)}}));
  EXPECT_EQ(event<Paired>().channel, id);
  EXPECT_EQ(to_bytes(event<ChannelMessage>().body), text("sync"));
  EXPECT_EQ(event<ChannelMessage>().type, 8U);
  EXPECT_EQ(event<RemoteOpen>().remote_id, 2U);
  EXPECT_EQ(event<Closed>().channel, id);
  expect_no_event();
}

TEST_F(ChannelMuxTest, ReadsAnEmptyBatch) {
  expect_fine(Bytes{0, 0, 1});
  expect_no_event();
}

TEST_F(ChannelMuxTest, RefusesABatchInsideABatch) {
  expect_refused(batch_frame({{0, Bytes{0, 1, 1, 7}}}), ErrorCode::Protocol);
}

TEST_F(ChannelMuxTest, RefusesABatchThatIsCutAnywhereInsideAnEntry) {
  pair(1, "a");
  Bytes const whole = batch_frame({{1, entry(0, as_bytes("one"))}, {1, entry(0, as_bytes("two"))}});
  std::size_t accepted = 0;
  for (std::size_t size = 3; size <= whole.size(); ++size) {
    accepted +=
        receive(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).ok() ? 1U
                                                                                              : 0U;
  }
  EXPECT_EQ(accepted, 3U);  // Cut behind its channel, behind an entry, and whole.
}

TEST_F(ChannelMuxTest, KeepsBodiesOfAFrameUntilTheNextOne) {
  pair(1, "a");
  expect_fine(batch_frame({{1, entry(0, as_bytes("one"))}, {1, entry(0, as_bytes("two"))}}));
  ChannelMessage const one = event<ChannelMessage>();
  ChannelMessage const two = event<ChannelMessage>();
  EXPECT_EQ(to_bytes(one.body), text("one"));
  EXPECT_EQ(to_bytes(two.body), text("two"));
}

// --- Limits

class ChannelMuxLimits : public ChannelMuxTest {
 protected:
  void limit(MuxLimits const& limits) { mux_ = ChannelMux(limits); }
};

TEST_F(ChannelMuxLimits, RefuseToOpenMoreChannels) {
  limit({.channels_max = 2});
  open("a");
  open("b");
  EXPECT_EQ(mux_.open(kProtocol, as_bytes("c"), {}).error().code, ErrorCode::LimitExceeded);
}

TEST_F(ChannelMuxLimits, RejectWhatCannotBeAccepted) {
  limit({.channels_max = 1});
  open("a");
  expect_fine(remote_open(1, "b"));
  EXPECT_EQ(mux_.accept(event<RemoteOpen>(), {}).error().code, ErrorCode::LimitExceeded);
  expect_output(reject_frame(1));
}

TEST_F(ChannelMuxLimits, RejectOpensAboveTheirNumber) {
  limit({.unanswered_opens_max = 2});
  expect_fine(remote_open(1, "a"));
  expect_fine(remote_open(2, "b"));
  expect_fine(remote_open(3, "c"));
  expect_output(reject_frame(3));
  mux_.reject(event<RemoteOpen>());
  expect_output(reject_frame(1));
  expect_fine(remote_open(1, "d"));
  expect_no_output();
}

TEST_F(ChannelMuxLimits, BoundWhatWaitsForAnAnswer) {
  limit({.unpaired_bytes_max = 200});
  expect_fine(remote_open(1, "a"));
  expect_fine(message_frame(1, 1, Bytes(100)));
  expect_refused(message_frame(1, 1, Bytes(100)), ErrorCode::LimitExceeded);
}

TEST_F(ChannelMuxLimits, CountEmptyMessagesThatWait) {
  limit({.unpaired_bytes_max = 1'000});
  expect_fine(remote_open(1, "a"));
  bool refused = false;
  for (int i = 0; i < 100 && !refused; ++i) refused = !receive(message_frame(1, 1, {})).ok();
  EXPECT_TRUE(refused);
}

TEST_F(ChannelMuxLimits, FreeWhatWaitedWithItsAnswer) {
  limit({.unpaired_bytes_max = 200});
  for (int round = 0; round < 5; ++round) {
    expect_fine(remote_open(1, "a"));
    expect_fine(message_frame(1, 1, Bytes(100)));
    mux_.reject(event<RemoteOpen>());
  }
}

TEST_F(ChannelMuxLimits, BoundTheFieldsOfAnOpen) {
  limit({.protocol_bytes_max = 3, .id_bytes_max = 2, .handshake_bytes_max = 1});
  expect_fine(open_frame(1, "abc", Bytes(2), Bytes(1)));
  expect_refused(open_frame(2, "abcd", Bytes(2), Bytes(1)), ErrorCode::LimitExceeded);
  expect_refused(open_frame(2, "abc", Bytes(3), Bytes(1)), ErrorCode::LimitExceeded);
  expect_refused(open_frame(2, "abc", Bytes(2), Bytes(2)), ErrorCode::LimitExceeded);
}

TEST_F(ChannelMuxLimits, BoundTheMessagesOfABatch) {
  limit({.batch_messages_max = 2});
  expect_fine(batch_frame({{1, Bytes{0}}, {1, Bytes{0}}}));
  expect_refused(batch_frame({{1, Bytes{0}}, {1, Bytes{0}}, {1, Bytes{0}}}),
                 ErrorCode::LimitExceeded);
}

using ChannelMuxDeathTest = ChannelMuxTest;

TEST_F(ChannelMuxDeathTest, OpeningTheSameChannelTwiceIsABug) {
  open("a");
  EXPECT_DEATH(static_cast<void>(mux_.open(kProtocol, as_bytes("a"), {})), "bug: this must hold");
}

TEST_F(ChannelMuxDeathTest, SendingOnAChannelThatWeClosedIsABug) {
  ChannelId const id = pair(1, "a");
  mux_.close(id);
  EXPECT_DEATH(mux_.send(id, 1, {}), "bug: this must hold");
}

}  // namespace
}  // namespace holdfast::wire
