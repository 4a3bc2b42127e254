#include "discovery/registry/lookup.h"

#include <set>

#include <gtest/gtest.h>

namespace holdfast::discovery {

namespace {

TEST(RenewIn, IsAThirdOfTheLeaseOrALittleLess) {
  SeededRng rng(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1'000; ++i) seen.insert(renew_in_s(Duration(60'000), rng));
  EXPECT_GE(*seen.begin(), 16U);
  EXPECT_LE(*seen.rbegin(), 20U);
  EXPECT_GE(seen.size(), 4U) << "jittered";
  EXPECT_EQ(renew_in_s(Duration(3'000), rng), 1U);
}

}  // namespace

}  // namespace holdfast::discovery
