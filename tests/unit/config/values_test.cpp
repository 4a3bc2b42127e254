#include "config/values.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DurationText, EveryUnitIsRead) {
  EXPECT_EQ(*parse_duration("250ms"), Duration(250));
  EXPECT_EQ(*parse_duration("60s"), Duration(60'000));
  EXPECT_EQ(*parse_duration("1m"), Duration(60'000));
  EXPECT_EQ(*parse_duration("12h"), Duration(43'200'000));
  EXPECT_EQ(*parse_duration("30d"), Duration(2'592'000'000));
}

TEST(DurationText, WhatIsNotADurationIsRefused) {
  for (char const* text :
       {"", "60", "s", "-1s", "1.5s", "1 s", "1x", "99999999999999999999s", "36601d"}) {
    EXPECT_FALSE(parse_duration(text).ok()) << text;
  }
}

TEST(DurationText, WhatIsWrittenIsReadBack) {
  for (std::int64_t const ms : {1LL, 250LL, 1'000LL, 1'500LL, 60'000LL, 61'000LL, 86'400'000LL}) {
    EXPECT_EQ(*parse_duration(to_text(Duration(ms))), Duration(ms));
  }
}

TEST(ByteSizeText, EveryUnitIsRead) {
  EXPECT_EQ(parse_byte_size("512")->bytes, 512u);
  EXPECT_EQ(parse_byte_size("512B")->bytes, 512u);
  EXPECT_EQ(parse_byte_size("64KiB")->bytes, 65'536u);
  EXPECT_EQ(parse_byte_size("10GiB")->bytes, 10'737'418'240u);
  EXPECT_EQ(parse_byte_size("1MB")->bytes, 1'000'000u);
}

TEST(ByteSizeText, WhatIsNotASizeIsRefused) {
  for (char const* text :
       {"", "GiB", "1.5GiB", "-1", "1 GiB", "1gib", "9223372036854775808", "8388608TiB"}) {
    EXPECT_FALSE(parse_byte_size(text).ok()) << text;
  }
}

TEST(ByteSizeText, WhatIsWrittenIsReadBack) {
  for (std::uint64_t const bytes : {0ULL, 1ULL, 1'023ULL, 65'536ULL, 10'737'418'240ULL}) {
    EXPECT_EQ(parse_byte_size(to_text(ByteSize{bytes}))->bytes, bytes);
  }
}

TEST(HostPortText, NamesAndBothKindsOfLiteralAreRead) {
  EXPECT_EQ(*parse_host_port("node.example.org:4838"), (HostPort{"node.example.org", 4838}));
  EXPECT_EQ(*parse_host_port("0.0.0.0:0"), (HostPort{"0.0.0.0", 0}));
  EXPECT_EQ(*parse_host_port("[2001:db8::1]:8443"), (HostPort{"2001:db8::1", 8443}));
  EXPECT_EQ(to_text(HostPort{"2001:db8::1", 8443}), "[2001:db8::1]:8443");
}

TEST(HostPortText, WhatIsNotHostAndPortIsRefused) {
  for (char const* text :
       {"", ":1", "host", "host:", "host:65536", "host:-1", "host:1x", "2001:db8::1",
        "2001:db8::1:80", "[]:80", "[host]:80", "a b:80", "http://host:80"}) {
    EXPECT_FALSE(parse_host_port(text).ok()) << text;
  }
}

}  // namespace
}  // namespace holdfast
