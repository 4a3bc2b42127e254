#include "discovery/directory/hosting_map.h"

#include <map>
#include <memory_resource>

#include <gtest/gtest.h>

#include "base/random.h"

namespace holdfast::discovery {
namespace {

ReplicatorTable const kNoRows(*std::pmr::new_delete_resource());

DiscoveryKey key_of(std::uint64_t number) {
  SeededRng rng(number);
  DiscoveryKey out;
  for (Byte& byte : out.bytes) byte = static_cast<Byte>(rng.next());
  return out;
}

std::vector<RowLine> random_lines(SeededRng& rng) {
  std::vector<RowLine> out(rng.below(4));
  for (RowLine& line : out) {
    line.row = static_cast<std::uint32_t>(rng.next());
    line.generation = rng.next();
    if (rng.below(3) == 0) continue;
    line.proof.emplace();
    line.proof->keyholder.bytes.fill(static_cast<Byte>(rng.below(3)));
    line.proof->expires_unix_s = rng.next() >> 11;
    for (Byte& byte : line.proof->signature.bytes) byte = static_cast<Byte>(rng.next());
  }
  return out;
}

std::vector<RowLine> lines_in(HostingView const& view) {
  std::vector<RowLine> out;
  for (std::size_t i = 0; i < view.size(); ++i) out.push_back(view.line(i));
  return out;
}

TEST(HostingMap, AgreesWithAPlainMap) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SeededRng rng(seed);
    HostingMap map(1 << 20, seed, *std::pmr::new_delete_resource());
    std::map<std::uint64_t, std::vector<RowLine>> model;
    for (int step = 0; step < 3'000; ++step) {
      std::uint64_t const number = rng.below(200);
      switch (rng.below(3)) {
        case 0: {
          model[number] = random_lines(rng);
          map.put(key_of(number), model[number]);
          break;
        }
        case 1:
          ASSERT_EQ(map.erase(key_of(number)), model.erase(number) == 1);
          break;
        default: {
          HostingView const view = map.find(key_of(number), kNoRows);
          ASSERT_EQ(view.is_there(), model.contains(number));
          if (view.is_there()) {
            ASSERT_EQ(lines_in(view), model[number]);
          }
        }
      }
      ASSERT_EQ(map.size(), model.size());
    }
    for (auto const& [number, lines] : model)
      ASSERT_EQ(lines_in(map.find(key_of(number), kNoRows)), lines);
    map.clear();
    EXPECT_EQ(map.size(), 0u);
    EXPECT_FALSE(map.find(key_of(1), kNoRows).is_there());
  }
}

TEST(HostingMap, StaysWithinItsBytes) {
  SeededRng rng(1);
  std::size_t const bytes_max = 20'000;
  HostingMap map(bytes_max, 9, *std::pmr::new_delete_resource());
  for (std::uint64_t number = 0; number < 5'000; ++number) {
    map.put(key_of(number), random_lines(rng));
    ASSERT_LE(map.bytes(), bytes_max);
  }
  EXPECT_GT(map.size(), 50u);
}

TEST(HostingMap, WhatIsAskedForStays) {
  HostingMap map(40'000, 3, *std::pmr::new_delete_resource());
  std::vector<RowLine> const lines = {{.row = 7, .generation = 1, .proof = std::nullopt}};
  map.put(key_of(0), lines);
  int lost = 0;
  for (std::uint64_t number = 1; number < 5'000; ++number) {
    if (!map.find(key_of(0), kNoRows).is_there()) {
      ++lost;
      map.put(key_of(0), lines);
    }
    map.put(key_of(number), lines);
  }
  EXPECT_LT(lost, 5) << "of thousands of evictions";
}

TEST(HostingMap, ASetThatIsTooLargeIsNotKept) {
  HostingMap map(1'000, 3, *std::pmr::new_delete_resource());
  map.put(key_of(1), std::vector<RowLine>(100));
  EXPECT_FALSE(map.find(key_of(1), kNoRows).is_there());
  EXPECT_EQ(map.size(), 0u);
}

TEST(HostingMap, OneKeyTakesFewBytes) {
  HostingMap map(1 << 24, 3, *std::pmr::new_delete_resource());
  std::vector<RowLine> lines(2);
  for (RowLine& line : lines) line.proof.emplace();
  for (std::uint64_t number = 0; number < 20'000; ++number) map.put(key_of(number), lines);
  EXPECT_LE(map.bytes() / map.size(), 310u) << "two hosts, both with a proof";
}

}  // namespace
}  // namespace holdfast::discovery
