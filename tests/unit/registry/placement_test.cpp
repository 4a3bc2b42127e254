#include "discovery/registry/placement.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "base/random.h"

namespace holdfast::discovery {
namespace {

PublicKey id_of(std::uint64_t number) {
  SeededRng rng(number);
  PublicKey out;
  for (Byte& byte : out.bytes) byte = static_cast<Byte>(rng.next());
  return out;
}

DiscoveryKey key_of(std::uint64_t number) {
  SeededRng rng(number + 1'000'000);
  DiscoveryKey out;
  for (Byte& byte : out.bytes) byte = static_cast<Byte>(rng.next());
  return out;
}

Candidate candidate(std::uint64_t number, std::uint64_t weight = kWeightDefault) {
  Candidate out;
  out.id = id_of(number);
  out.seed = seed_of(out.id);
  out.weight = weight;
  return out;
}

std::vector<Candidate> fleet(std::uint64_t count) {
  std::vector<Candidate> out;
  for (std::uint64_t i = 0; i < count; ++i) out.push_back(candidate(i));
  return out;
}

std::vector<PublicKey> chosen(PlacementQuery const& query, std::vector<Candidate> const& from) {
  std::vector<PublicKey> out;
  for (std::size_t const at : place(query, from).chosen) out.push_back(from[at].id);
  return out;
}

PlacementQuery query_of(std::uint64_t key, std::size_t replicas = 2) {
  PlacementQuery out;
  out.key = key_of(key);
  out.replicas = replicas;
  return out;
}

TEST(NegativeLog2, FollowsTheRealLogarithm) {
  SeededRng rng(3);
  for (int i = 0; i < 20'000; ++i) {
    std::uint64_t const h = rng.next() >> (rng.next() % 64);
    double const exact = 64.0 - static_cast<double>(std::log2(static_cast<long double>(h) + 1.0L));
    double const got = static_cast<double>(negative_log2(h)) / 72057594037927936.0;
    ASSERT_NEAR(got, exact, 1.0 / (1ULL << 38)) << h;
  }
  EXPECT_EQ(negative_log2(~std::uint64_t{0}), 0u);
  EXPECT_EQ(negative_log2(0), std::uint64_t{64} << 56);
  EXPECT_EQ(negative_log2((std::uint64_t{1} << 63) - 1), std::uint64_t{1} << 56);
}

/// The same numbers on every machine and in every version: instances of different builds must agree.
TEST(Rendezvous, CostsAreFrozen) {
  DiscoveryKey key;
  key.bytes.fill(1);
  PublicKey id;
  id.bytes.fill(2);
  EXPECT_EQ(seed_of(key), 0xa2f2a194b40fbef1ULL);
  EXPECT_EQ(seed_of(id), 0x35463f9116b0fef5ULL);
  EXPECT_EQ(cost_of(seed_of(key), seed_of(id), 1'000), 23'874'107'205'329ULL);
}

TEST(Place, OrderOfCandidatesDoesNotMatter) {
  std::vector<Candidate> all = fleet(40);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].region = i % 3 == 0 ? "eu" : "us";
    all[i].group = "rack" + std::to_string(i % 5);
  }
  SeededRng rng(5);
  for (std::uint64_t key = 0; key < 50; ++key) {
    PlacementQuery query = query_of(key, 4);
    query.region.label = "eu";
    std::vector<PublicKey> const first = chosen(query, all);
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[rng.below(i)]);
    ASSERT_EQ(chosen(query, all), first);
  }
}

TEST(Place, TheGuessedCountryThenTheContinentThenTheRest) {
  std::vector<Candidate> all = fleet(30);
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].region = i % 10 == 0 ? "BR" : i % 10 == 1 ? "sa" : "us";
  PlacementQuery query = query_of(1, 7);
  query.region.guessed = {.country = {'b', 'r'}, .continent = {'s', 'a'}};
  std::vector<std::string> regions;
  for (std::size_t const at : place(query, all).chosen) regions.push_back(all[at].region);
  EXPECT_EQ(regions, (std::vector<std::string>{"BR", "BR", "BR", "sa", "sa", "sa", "us"}));
}

TEST(Place, ALeaveMovesOnlyTheKeysOfTheOneThatLeft) {
  std::vector<Candidate> const before = fleet(20);
  std::vector<Candidate> const after(before.begin(), before.end() - 1);
  PublicKey const gone = before.back().id;
  int moved = 0;
  for (std::uint64_t key = 0; key < 4'000; ++key) {
    std::vector<PublicKey> const old = chosen(query_of(key, 1), before);
    if (old[0] == gone) {
      ++moved;
    } else {
      ASSERT_EQ(chosen(query_of(key, 1), after), old);
    }
  }
  EXPECT_NEAR(moved, 200, 45) << "its share of 4,000 was 1/20";
}

TEST(Place, SharesFollowTheWeights) {
  std::vector<Candidate> const all = {candidate(1, 1'000), candidate(2, 2'000),
                                      candidate(3, 5'000)};
  std::map<PublicKey, int> count;
  for (std::uint64_t key = 0; key < 16'000; ++key) ++count[chosen(query_of(key, 1), all)[0]];
  EXPECT_NEAR(count[all[0].id], 2'000, 150);
  EXPECT_NEAR(count[all[1].id], 4'000, 200);
  EXPECT_NEAR(count[all[2].id], 10'000, 250);
}

TEST(Place, ANewWeightMovesKeysOnlyToOrFromThatOne) {
  std::vector<Candidate> before = fleet(10);
  std::vector<Candidate> after = before;
  after[4].weight *= 3;
  for (std::uint64_t key = 0; key < 2'000; ++key) {
    std::vector<PublicKey> const old = chosen(query_of(key, 1), before);
    std::vector<PublicKey> const now = chosen(query_of(key, 1), after);
    if (old != now) {
      ASSERT_EQ(now[0], after[4].id);
    }
  }
}

TEST(Place, TheRegionComesFirstAndTheRestFillsUp) {
  std::vector<Candidate> all = fleet(10);
  all[7].region = "eu";
  PlacementQuery query = query_of(1);
  query.region.label = "eu";
  std::vector<PublicKey> const ids = chosen(query, all);
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_EQ(ids[0], all[7].id);
}

TEST(Place, OnePerGroupUntilGroupsRunOut) {
  std::vector<Candidate> all = fleet(60);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].group = i < 58 ? "big" : "small";
  for (std::uint64_t key = 0; key < 50; ++key) {
    std::set<std::string> groups;
    Placement const two = place(query_of(key, 2), all);
    for (std::size_t const at : two.chosen) groups.insert(all[at].group);
    ASSERT_EQ(groups.size(), 2u) << "however deep the other group is";
    ASSERT_EQ(place(query_of(key, 3), all).chosen.size(), 3u);
  }
}

TEST(Place, WhoHasNoGroupFailsAlone) {
  EXPECT_EQ(place(query_of(1, 3), fleet(3)).chosen.size(), 3u);
}

TEST(Place, ABusyOneGivesWayToTheNext) {
  std::vector<Candidate> all = fleet(5);
  std::vector<PublicKey> const calm = chosen(query_of(1, 5), all);
  for (Candidate& each : all) each.is_busy = each.id == calm[0];
  std::vector<PublicKey> const ids = chosen(query_of(1, 5), all);
  EXPECT_EQ(ids[0], calm[1]);
  EXPECT_EQ(ids[4], calm[0]) << "still there when nobody else is";
}

TEST(Place, WhoHasTheKeyKeepsItUnlessBusy) {
  std::vector<Candidate> all = fleet(8);
  PlacementQuery query = query_of(2, 1);
  PublicKey const last = chosen(query_of(2, 8), all)[7];
  query.current = {last};
  EXPECT_EQ(chosen(query, all)[0], last);
  for (Candidate& each : all) each.is_busy = each.id == last;
  EXPECT_NE(chosen(query, all)[0], last);
}

TEST(Place, WhatCannotBeTakenIsNot) {
  std::vector<Candidate> all = fleet(3);
  all[0].standing = Verdict::Unhealthy;
  PlacementQuery query = query_of(1, 3);
  query.excluded = {all[1].id};
  EXPECT_EQ(chosen(query, all), std::vector<PublicKey>{all[2].id});
}

TEST(Place, TheTraceSaysWhyForEveryCandidate) {
  std::vector<Candidate> all = fleet(6);
  for (std::size_t i = 0; i < 3; ++i) all[i].group = "a";
  all[3].standing = Verdict::Draining;
  PlacementQuery query = query_of(3, 2);
  query.excluded = {all[4].id};
  Placement const placement = place(query, all, true);
  ASSERT_EQ(placement.trace.size(), all.size());
  std::map<Verdict, int> count;
  for (Placement::Step const& step : placement.trace) ++count[step.verdict];
  EXPECT_EQ(count[Verdict::Chosen], 2);
  EXPECT_EQ(count[Verdict::SameGroup], 2);
  EXPECT_EQ(count[Verdict::Draining], 1);
  EXPECT_EQ(count[Verdict::Excluded], 1);
  EXPECT_EQ(placement.chosen, place(query, all).chosen) << "asking why changes nothing";
}

TEST(Place, NobodyIsAnAnswerToo) { EXPECT_TRUE(place(query_of(1), {}).chosen.empty()); }

TEST(Panic, BelowHalfHealthyHealthIsIgnored) {
  EXPECT_FALSE(is_panic(0, 0));
  EXPECT_FALSE(is_panic(10, 5));
  EXPECT_TRUE(is_panic(10, 6));
  EXPECT_TRUE(is_panic(1, 1));
}

}  // namespace
}  // namespace holdfast::discovery
