#include "discovery/registry/region.h"

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

constexpr ClientPlace kBrazil{.country = {'b', 'r'}, .continent = {'s', 'a'}};

TEST(RegionWish, WithoutAWishEverywhereIsNear) {
  EXPECT_EQ(RegionWish{}.steps_to("eu"), 0u);
  EXPECT_EQ(RegionWish{}.steps_to(""), 0u);
}

TEST(RegionWish, WhatWasAskedForIsComparedAsItIs) {
  RegionWish const wish{.label = "rack-7", .guessed = {}};
  EXPECT_EQ(wish.steps_to("rack-7"), 0u);
  EXPECT_EQ(wish.steps_to("Rack-7"), 1u);
  EXPECT_EQ(wish.steps_to(""), 1u);
}

TEST(RegionWish, WhatWasAskedForBeatsTheGuess) {
  RegionWish const wish{.label = "eu", .guessed = kBrazil};
  EXPECT_EQ(wish.steps_to("eu"), 0u);
  EXPECT_EQ(wish.steps_to("br"), wish.steps_to("us"));
}

TEST(RegionWish, TheGuessedCountryComesBeforeItsContinentBeforeTheRest) {
  RegionWish const wish{.label = "", .guessed = kBrazil};
  for (char const* const country : {"br", "BR", "Br"}) EXPECT_EQ(wish.steps_to(country), 0u);
  for (char const* const continent : {"sa", "SA"}) EXPECT_EQ(wish.steps_to(continent), 1u);
  for (char const* const other : {"eu", "", "b", "bra", "rb", "br-1"})
    EXPECT_EQ(wish.steps_to(other), 2u) << other;
}

TEST(RegionWish, HalfAGuessCountsForWhatItIs) {
  RegionWish const wish{.label = "", .guessed = {.country = {}, .continent = {'e', 'u'}}};
  EXPECT_EQ(wish.steps_to("eu"), 1u);
  EXPECT_EQ(wish.steps_to("us"), 2u);
  EXPECT_EQ(wish.steps_to(std::string_view("\0\0", 2)), 2u) << "an unknown country matches nothing";
}

TEST(RegionWish, CodesAreWrittenAsText) {
  EXPECT_EQ(text_of(kBrazil.country), "br");
  EXPECT_EQ(text_of(ClientPlace{}.country), "");
}

}  // namespace
}  // namespace holdfast::discovery
