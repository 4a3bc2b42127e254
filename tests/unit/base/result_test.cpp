#include "base/result.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Unexpected(ErrorCode::Malformed, "odd");
  return number / 2;
}

TEST(Result, HoldsAValue) {
  Result<int> const result = half(4);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(*result, 2);
}

TEST(Result, HoldsAnError) {
  Result<int> const result = half(3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::Malformed);
  EXPECT_EQ(to_string(result.error()), "odd (malformed)");
}

TEST(Result, GivesItsValueAway) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(5));
  std::unique_ptr<int> const taken = *std::move(result);
  EXPECT_EQ(*taken, 5);
}

TEST(Result, OfNothingIsFineUntilToldOtherwise) {
  EXPECT_TRUE(Result<void>().ok());
  Result<void> const failed = Unexpected(ErrorCode::Denied, "no");
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().detail, "no");
}

TEST(ResultDeathTest, ReadingTheWrongSideStopsTheProgram) {
  EXPECT_DEATH(static_cast<void>(*half(3)), "bug: this must hold");
  EXPECT_DEATH(static_cast<void>(half(4).error()), "bug: this must hold");
}

TEST(ErrorCode, EachHasItsOwnWords) {
  std::vector<std::string_view> seen;
  for (int code = 0; code <= static_cast<int>(ErrorCode::Storage); ++code) {
    std::string_view const words = to_string(static_cast<ErrorCode>(code));
    EXPECT_EQ(std::find(seen.begin(), seen.end(), words), seen.end()) << words;
    seen.push_back(words);
  }
}

}  // namespace
}  // namespace holdfast
