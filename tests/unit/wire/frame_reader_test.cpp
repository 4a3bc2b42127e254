#include "wire/frame_reader.h"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast::wire {
namespace {

struct Outcome {
  std::vector<Bytes> frames;
  bool refused = false;
  friend bool operator==(Outcome const&, Outcome const&) = default;
};

/// Feeds the pieces one after the other, as reads from a socket would.
Outcome read_pieces(std::vector<ByteView> const& pieces, std::size_t frame_bytes_max) {
  FrameReader reader(frame_bytes_max);
  Outcome out;
  for (ByteView piece : pieces) {
    while (!piece.empty()) {
      auto const frame = reader.next(piece);
      if (!frame) {
        EXPECT_EQ(frame.error().code, ErrorCode::LimitExceeded);
        out.refused = true;
        return out;
      }
      if (frame->has_value()) out.frames.push_back(to_bytes(**frame));
    }
  }
  return out;
}

Bytes framed(Bytes const& payload) {
  Bytes out{static_cast<Byte>(payload.size()), static_cast<Byte>(payload.size() >> 8),
            static_cast<Byte>(payload.size() >> 16)};
  append(out, payload);
  return out;
}

class FrameStream : public ::testing::Test {
 protected:
  FrameStream() {
    for (Bytes const& payload : payloads_) append(stream_, framed(payload));
  }
  std::vector<Bytes> const payloads_{Bytes{1}, Bytes{}, Bytes(300, 7), Bytes{2, 3}};
  Bytes stream_;
};

TEST_F(FrameStream, IsReadWholeInOnePiece) {
  EXPECT_EQ(read_pieces({stream_}, 300), (Outcome{.frames = payloads_, .refused = false}));
}

TEST_F(FrameStream, IsReadTheSameAtEverySplitPoint) {
  for (std::size_t split = 0; split <= stream_.size(); ++split) {
    Outcome const outcome =
        read_pieces({ByteView(stream_).first(split), ByteView(stream_).subspan(split)}, 300);
    ASSERT_EQ(outcome.frames, payloads_) << split;
  }
}

TEST_F(FrameStream, IsReadTheSameByteByByte) {
  std::vector<ByteView> pieces;
  for (std::size_t i = 0; i < stream_.size(); ++i)
    pieces.push_back(ByteView(stream_).subspan(i, 1));
  EXPECT_EQ(read_pieces(pieces, 300).frames, payloads_);
}

TEST_F(FrameStream, GivesNothingForAFrameThatIsCutShort) {
  Outcome const outcome = read_pieces({ByteView(stream_).first(stream_.size() - 1)}, 300);
  EXPECT_EQ(outcome.frames.size(), payloads_.size() - 1);
  EXPECT_FALSE(outcome.refused);
}

TEST_F(FrameStream, IsRefusedAtTheFirstFrameAboveTheLimit) {
  for (std::size_t piece_bytes : {std::size_t{1}, std::size_t{3}, stream_.size()}) {
    std::vector<ByteView> pieces;
    for (std::size_t at = 0; at < stream_.size(); at += piece_bytes) {
      pieces.push_back(ByteView(stream_).subspan(at, std::min(piece_bytes, stream_.size() - at)));
    }
    Outcome const outcome = read_pieces(pieces, 299);
    EXPECT_EQ(outcome.frames.size(), 2U);
    EXPECT_TRUE(outcome.refused);
  }
}

TEST(FrameReader, RefusesByTheHeaderAlone) {
  FrameReader reader(64);
  Bytes const header{65, 0, 0};
  ByteView bytes(header);
  EXPECT_FALSE(reader.next(bytes).ok());
  FrameReader large(1 << 16);
  Bytes const claim{0xff, 0xff, 0xff};
  bytes = claim;
  EXPECT_FALSE(large.next(bytes).ok());
}

TEST(FrameReader, LeavesWhatFollowsAFrameInItsInput) {
  FrameReader reader(64);
  Bytes const two{1, 0, 0, 9, 1, 0, 0, 8};
  ByteView bytes(two);
  auto const first = reader.next(bytes);
  EXPECT_EQ(to_bytes(**first), Bytes{9});
  EXPECT_EQ(bytes.size(), 4U);
}

TEST(FrameReader, TakesANewLimitForTheNextHeader) {
  FrameReader reader(1);
  Bytes const two{1, 0, 0, 9, 2, 0, 0, 8, 8};
  ByteView bytes(two);
  ASSERT_TRUE(reader.next(bytes).ok());
  reader.set_frame_bytes_max(2);
  EXPECT_TRUE(reader.next(bytes).ok());
}

}  // namespace
}  // namespace holdfast::wire
