#include "discovery/directory/miss_table.h"

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

Instant at(std::int64_t ms) { return Instant(Duration(10'000'000 + ms)); }

TEST(MissTable, RemembersForAWhileAndCountsAskers) {
  MissTable table(64);
  EXPECT_FALSE(table.find(5, at(0)));
  table.put(5, MissKind::Unknown, at(0), Duration(100));
  EXPECT_EQ(table.find(5, at(0))->asked, 1u);
  EXPECT_EQ(table.find(5, at(99))->asked, 2u);
  EXPECT_FALSE(table.find(5, at(100)));
  table.put(5, MissKind::ProjectKey, at(100), Duration(100));
  EXPECT_EQ(table.find(5, at(150))->asked, 3u) << "over the end of its freshness";
  EXPECT_EQ(table.find(5, at(150))->kind, MissKind::ProjectKey);
}

TEST(MissTable, AfterTenQuietMinutesCountingStartsAgain) {
  MissTable table(64);
  table.put(5, MissKind::Unknown, at(0), Duration(10'000'000));
  for (int i = 0; i < 9; ++i) table.find(5, at(0));
  EXPECT_EQ(table.find(5, at(9 * 60'000))->asked, 10u);
  EXPECT_EQ(table.find(5, at(19 * 60'000))->asked, 1u);
}

TEST(MissTable, AChangeForgetsEverything) {
  MissTable table(64);
  table.put(5, MissKind::Unknown, at(0), Duration(1'000));
  table.find(5, at(0));
  table.erase(5);
  EXPECT_FALSE(table.find(5, at(0)));
  table.put(5, MissKind::Unknown, at(0), Duration(1'000));
  EXPECT_EQ(table.find(5, at(0))->asked, 1u);
}

TEST(MissTable, StaleIsNotFreshButCountingGoesOn) {
  MissTable table(64);
  table.put(5, MissKind::Unknown, at(0), Duration(1'000));
  table.find(5, at(0));
  table.make_stale();
  EXPECT_FALSE(table.find(5, at(0)));
  table.put(5, MissKind::Unknown, at(0), Duration(1'000));
  EXPECT_EQ(table.find(5, at(0))->asked, 2u);
}

TEST(MissTable, AFloodTakesNoMoreThanItsPlaces) {
  MissTable table(16);
  for (MissTable::Name name = 1; name < 10'000; ++name) {
    table.put(name, MissKind::Unknown, at(static_cast<std::int64_t>(name)), Duration(1'000'000));
  }
  int kept = 0;
  for (MissTable::Name name = 1; name < 10'000; ++name) kept += table.find(name, at(0)) ? 1 : 0;
  EXPECT_EQ(kept, 16);
}

}  // namespace
}  // namespace holdfast::discovery
