#include "sync/remote_have.h"

#include <set>

#include <gtest/gtest.h>

#include "base/random.h"

namespace holdfast::sync {
namespace {

constexpr std::uint64_t kHuge = (std::uint64_t{1} << 53) - 1;

TEST(RemoteHave, APrefixCostsNoMemoryHoweverLong) {
  RemoteHave have(4);
  have.set(0, kHuge);
  EXPECT_TRUE(have.has(kHuge - 1));
  EXPECT_EQ(have.prefix(), kHuge);
}

TEST(RemoteHave, AClaimThatWouldCostTooMuchIsIgnored) {
  RemoteHave have(4);
  have.set(10, kHuge);
  EXPECT_FALSE(have.has(10));
  have.set(10, 20);
  EXPECT_TRUE(have.has(10));
}

TEST(RemoteHave, ADropInsideAHugePrefixKeepsWhatIsInFront) {
  RemoteHave have(4);
  have.set(0, kHuge);
  have.drop(100, 101);
  EXPECT_TRUE(have.has(99));
  EXPECT_FALSE(have.has(100));
}

TEST(RemoteHave, FollowsANaiveSetOverRandomClaims) {
  SeededRng rng(7);
  RemoteHave have(64);
  std::set<std::uint64_t> model;
  for (int step = 0; step < 2'000; ++step) {
    std::uint64_t const start = rng.below(400);
    std::uint64_t const end = start + rng.below(60);
    switch (rng.below(4)) {
      case 0:
        have.set(start, end);
        for (std::uint64_t i = start; i < end; ++i) model.insert(i);
        break;
      case 1:
        have.drop(start, end);
        for (std::uint64_t i = start; i < end; ++i) model.erase(i);
        break;
      case 2: {
        std::uint64_t const aligned = start - start % 32;
        std::uint32_t const word = static_cast<std::uint32_t>(rng.next());
        have.assign(aligned, {word});
        for (std::uint64_t i = 0; i < 32; ++i) {
          if ((word >> i & 1U) != 0) {
            model.insert(aligned + i);
          } else {
            model.erase(aligned + i);
          }
        }
        break;
      }
      default: {
        auto const next = model.lower_bound(start);
        std::optional<std::uint64_t> const expected =
            next != model.end() && *next < end ? std::optional(*next) : std::nullopt;
        ASSERT_EQ(have.first(start, end), expected) << "step " << step;
      }
    }
    ASSERT_EQ(have.has(start), model.contains(start)) << "step " << step;
  }
}

}  // namespace
}  // namespace holdfast::sync
