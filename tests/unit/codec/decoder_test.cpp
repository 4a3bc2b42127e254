#include "codec/decoder.h"

#include <gtest/gtest.h>

#include "codec/encoder.h"

namespace holdfast {
namespace {

Bytes hex(std::string_view text) { return holdfast::from_hex(text).value(); }

ErrorCode code_of(Decoder const& in) { return in.finish().error().code; }

TEST(Decoder, TakesNumbersInLongerFormsThanNeeded) {
  for (char const* form : {"05", "fd0500", "fe05000000", "ff0500000000000000"}) {
    Bytes const bytes = hex(form);
    Decoder in(bytes);
    EXPECT_EQ(in.read_uint(), 5U) << form;
    EXPECT_TRUE(in.finish().ok()) << form;
  }
}

TEST(Decoder, RefusesNumbersThatJavaScriptCannotHold) {
  Bytes const largest = hex("ffffffffffffff1f00");
  Decoder fine(largest);
  EXPECT_EQ(fine.read_uint(), (std::uint64_t{1} << 53) - 1);
  EXPECT_TRUE(fine.ok());
  Bytes const above = hex("ff0000000000002000");
  Decoder in(above);
  EXPECT_EQ(in.read_uint(), 0U);
  EXPECT_EQ(code_of(in), ErrorCode::Malformed);
}

TEST(Decoder, FailsOnEveryTruncationOfANumber) {
  for (char const* form : {"fd0001", "fe00000100", "ff0000000001000000"}) {
    Bytes const whole = hex(form);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      Decoder in(ByteView(whole).first(size));
      EXPECT_EQ(in.read_uint(), 0U);
      EXPECT_EQ(code_of(in), ErrorCode::Malformed) << form << " cut to " << size;
    }
  }
}

TEST(Decoder, ChecksALimitBothSides) {
  Bytes const bytes = hex("0a0b");
  Decoder in(bytes);
  EXPECT_EQ(in.read_uint(10), 10U);
  EXPECT_TRUE(in.ok());
  EXPECT_EQ(in.read_uint(10), 0U);
  EXPECT_EQ(code_of(in), ErrorCode::LimitExceeded);
}

TEST(Decoder, RefusesABufferAboveItsLimitBeforeLookingForItsBytes) {
  Bytes const bytes = hex("feffffffff");
  Decoder in(bytes);
  EXPECT_TRUE(in.read_buffer(100).empty());
  EXPECT_EQ(code_of(in), ErrorCode::LimitExceeded);
}

TEST(Decoder, RefusesABufferThatIsCutShort) {
  Bytes const bytes = hex("03aabb");
  Decoder in(bytes);
  EXPECT_TRUE(in.read_buffer(100).empty());
  EXPECT_EQ(code_of(in), ErrorCode::Malformed);
}

TEST(Decoder, RefusesACountThatTheMessageCannotHold) {
  Bytes const bytes = hex("030102");
  Decoder fits(bytes);
  EXPECT_EQ(fits.read_count(3, 0), 3U);
  Decoder short_by_one(bytes);
  EXPECT_EQ(short_by_one.read_count(3, 1), 0U);
  EXPECT_EQ(code_of(short_by_one), ErrorCode::Malformed);
  Decoder above_limit(bytes);
  EXPECT_EQ(above_limit.read_count(2, 0), 0U);
  EXPECT_EQ(code_of(above_limit), ErrorCode::LimitExceeded);
}

TEST(Decoder, DoesNotOverflowOnHugeCounts) {
  Bytes const bytes = hex("ffffffffffffff1f00");
  Decoder in(bytes);
  EXPECT_EQ(in.read_count(SIZE_MAX, 4096), 0U);
  EXPECT_FALSE(in.ok());
}

TEST(Decoder, KeepsItsFirstErrorAndReadsNothingAfterIt) {
  Bytes const bytes = hex("ff0102");
  Decoder in(bytes);
  EXPECT_EQ(in.read_uint(), 0U);
  EXPECT_EQ(in.read_uint(3), 0U);
  EXPECT_EQ(in.remaining(), 0U);
  in.fail(ErrorCode::LimitExceeded, "later");
  EXPECT_EQ(code_of(in), ErrorCode::Malformed);
}

TEST(Decoder, LeavesWhatFollowsTheLastFieldAlone) {
  Bytes const bytes = hex("0199");
  Decoder in(bytes);
  EXPECT_EQ(in.read_uint(), 1U);
  EXPECT_TRUE(in.finish().ok());
  EXPECT_EQ(in.remaining(), 1U);
  EXPECT_EQ(to_bytes(in.read_rest()), Bytes{0x99});
}

TEST(Decoder, ReadsFixedBytesOrZero) {
  using Two = FixedBytes<struct TwoTag, 2>;
  Bytes const bytes = hex("aabbcc");
  Decoder in(bytes);
  EXPECT_EQ(in.read_fixed<Two>().hex(), "aabb");
  EXPECT_TRUE(in.read_fixed<Two>().is_zero());
  EXPECT_FALSE(in.ok());
}

TEST(Encoder, ContinuesBehindWhatItWasGiven) {
  Encoder out(Bytes{1, 2});
  out.write_uint(3);
  EXPECT_EQ(std::move(out).take(), (Bytes{1, 2, 3}));
}

}  // namespace
}  // namespace holdfast
