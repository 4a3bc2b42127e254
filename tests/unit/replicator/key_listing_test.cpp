#include "replicator/daemon/key_listing.h"

#include <gtest/gtest.h>

namespace holdfast::replicator {
namespace {

WantedKey wanted(Byte value, bool known) {
  WantedKey out;
  out.key.bytes.fill(value);
  if (known) out.root = CoreKey{};
  return out;
}

/// What the registrar does with a plan, if the service answers so.
std::vector<DiscoveryKey> send(KeyListing& listing, KeyListing::Plan const& plan,
                               std::uint64_t now_s, std::vector<DiscoveryKey> const& refused = {}) {
  registration::ProjectsRequest batch;
  batch.replace = plan.replace;
  batch.remove = plan.remove;
  for (WantedKey const& item : plan.add) {
    registration::ProjectListing line{.key = item.key, .proof = std::nullopt};
    if (item.root) line.proof = registration::KeyholderProof{};
    batch.add.push_back(line);
  }
  return listing.on_sent(batch, refused, now_s);
}

TEST(KeyListing, OnlyWhatIsToReplaceReplacesEvenWhenItIsEmpty) {
  KeyListing listing;
  EXPECT_TRUE(listing.plan({}, 0).empty());
  listing.replace();
  KeyListing::Plan const plan = listing.plan({}, 0);
  EXPECT_TRUE(plan.replace);
  send(listing, plan, 0);
  EXPECT_TRUE(listing.plan({}, 0).empty());
}

TEST(KeyListing, OnlyWhatChangedIsSent) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, true), wanted(2, false)}, 0), 0);
  EXPECT_TRUE(listing.plan({wanted(1, true), wanted(2, false)}, 1).empty());
  KeyListing::Plan const plan = listing.plan({wanted(2, false), wanted(3, true)}, 1);
  EXPECT_FALSE(plan.replace);
  EXPECT_EQ(plan.remove, std::vector<DiscoveryKey>{wanted(1, true).key});
  ASSERT_EQ(plan.add.size(), 1u);
  EXPECT_EQ(plan.add[0].key, wanted(3, true).key);
}

TEST(KeyListing, ABatchIsNoLongerThanItWasCountedFor) {
  registration::ProjectListing listing;
  registration::ProjectListing proven;
  proven.proof = registration::KeyholderProof{};
  proven.proof->expires_unix_s = (1ULL << 53U) - 1;
  registration::ProjectsRequest batch;
  std::size_t const empty = to_json(batch).size();
  EXPECT_LE(empty, registration::kProjectsBytesMax - kBatchBytesMax);
  auto const added = [&](registration::ProjectListing const& one) {
    registration::ProjectsRequest with;
    with.add.assign(100, one);
    return to_json(with).size() - empty;
  };
  EXPECT_LE(added(listing), 100 * kListingBytes);
  EXPECT_LE(added(proven), 100 * kProvenListingBytes);
  batch.remove.resize(100);
  EXPECT_LE(to_json(batch).size() - empty, 100 * kRemovalBytes);
}

TEST(KeyListing, AServiceIsToldOfNoMoreKeysThanItTakes) {
  KeyListing listing;
  std::vector<WantedKey> const all = {wanted(1, false), wanted(2, true), wanted(3, true)};
  KeyListing::Plan const first = listing.plan(all, 0, 2);
  EXPECT_EQ(first.unlisted, 1U);
  ASSERT_EQ(first.add.size(), 2U);
  EXPECT_EQ(first.add[0].key, all[1].key) << "projects go before assigned keys";
  send(listing, first, 0);
  EXPECT_TRUE(listing.plan(all, 0, 2).empty());
  EXPECT_EQ(listing.plan(all, 0, 2).unlisted, 1U);
  EXPECT_EQ(listing.plan(all, 0, 3).add.size(), 1U) << "more, as soon as it takes more";
  EXPECT_EQ(listing.plan(all, 0).add.size(), 1U);
}

TEST(KeyListing, WhatIsListedStaysWhenAServiceTakesFewer) {
  KeyListing listing;
  std::vector<WantedKey> const all = {wanted(1, true), wanted(2, true), wanted(3, true)};
  send(listing, listing.plan(all, 0), 0);
  EXPECT_TRUE(listing.plan(all, 0, 1).empty());
  EXPECT_EQ(listing.plan(all, 0, 1).unlisted, 0U);
  EXPECT_EQ(listing.plan(all, KeyListing::kProofLifeS, 1).add.size(), 3U) << "with fresh proofs";
  KeyListing::Plan const swap =
      listing.plan({wanted(2, true), wanted(3, true), wanted(4, true)}, 0, 2);
  EXPECT_EQ(swap.remove.size(), 1U);
  EXPECT_TRUE(swap.add.empty()) << "what leaves makes no room while there are more than it takes";
}

TEST(KeyListing, AKeyWhoseProjectBecameKnownIsSentAgain) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, false)}, 0), 0);
  KeyListing::Plan const plan = listing.plan({wanted(1, true)}, 1);
  ASSERT_EQ(plan.add.size(), 1u);
  EXPECT_TRUE(plan.add[0].root.has_value());
}

TEST(KeyListing, EveryKeyIsSentAgainAtHalfOfItsProofsLife) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, true)}, 100), 100);
  std::uint64_t const half = 100 + KeyListing::kProofLifeS / 2;
  EXPECT_TRUE(listing.plan({wanted(1, true)}, half - 1).empty());
  EXPECT_EQ(listing.plan({wanted(1, true)}, half).add.size(), 1u);
}

TEST(KeyListing, RefreshesAreSpread) {
  KeyListing listing;
  std::vector<WantedKey> many;
  for (std::size_t i = 0; i < KeyListing::kRefreshPerPlanMax + 10; ++i) {
    WantedKey item;
    item.key.bytes[0] = static_cast<Byte>(i >> 8);
    item.key.bytes[1] = static_cast<Byte>(i);
    many.push_back(item);
  }
  send(listing, listing.plan(many, 0), 0);
  std::uint64_t const later = KeyListing::kProofLifeS;
  KeyListing::Plan const first = listing.plan(many, later);
  EXPECT_EQ(first.add.size(), KeyListing::kRefreshPerPlanMax);
  send(listing, first, later);
  EXPECT_EQ(listing.plan(many, later).add.size(), 10u);
}

TEST(KeyListing, ForgettingSendsAllAnew) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, true)}, 0), 0);
  listing.forget();
  KeyListing::Plan const plan = listing.plan({wanted(1, true)}, 0);
  EXPECT_FALSE(plan.replace) << "what the service lists stays in the answers meanwhile";
  EXPECT_EQ(plan.add.size(), 1u);
}

constexpr std::uint64_t kLater = KeyListing::kOfferAgainS;

TEST(KeyListing, ARefusedKeyDoesNotCountAsListed) {
  KeyListing listing;
  std::vector<WantedKey> const all = {wanted(1, true), wanted(2, true)};
  send(listing, listing.plan(all, 0), 0, {all[0].key});
  EXPECT_EQ(listing.size(), 1U);
  EXPECT_EQ(listing.refused_count(), 1U);
}

TEST(KeyListing, ARefusedKeyIsOfferedAgainAfterAGoodWhile) {
  KeyListing listing(kLater);
  std::vector<WantedKey> const all = {wanted(1, true), wanted(2, true)};
  send(listing, listing.plan(all, 100), 100, {all[0].key});
  EXPECT_TRUE(listing.plan(all, 100 + kLater - 1).empty());
  KeyListing::Plan const plan = listing.plan(all, 100 + kLater);
  ASSERT_EQ(plan.add.size(), 1U);
  EXPECT_EQ(plan.add[0].key, all[0].key);
  send(listing, plan, 100 + kLater, {all[0].key});
  EXPECT_TRUE(listing.plan(all, 100 + 2 * kLater - 1).empty());
  send(listing, listing.plan(all, 100 + 2 * kLater), 100 + 2 * kLater);
  EXPECT_EQ(listing.size(), 2U);
  EXPECT_EQ(listing.refused_count(), 0U);
}

TEST(KeyListing, ARefusedKeyIsOfferedAtOnceWithItsFirstProof) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, false)}, 0), 0, {wanted(1, false).key});
  EXPECT_TRUE(listing.plan({wanted(1, false)}, 1).empty());
  EXPECT_EQ(listing.plan({wanted(1, true)}, 1).add.size(), 1U);
}

TEST(KeyListing, ARefusedKeyThatLeftAndCameBackIsOfferedAtOnce) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, true)}, 0), 0, {wanted(1, true).key});
  EXPECT_TRUE(listing.plan({}, 1).empty()) << "it is not listed: nothing to remove";
  EXPECT_EQ(listing.refused_count(), 0U);
  EXPECT_EQ(listing.plan({wanted(1, true)}, 2).add.size(), 1U);
}

TEST(KeyListing, ARefusedKeyIsNamedOnlyTheFirstTime) {
  KeyListing listing(kLater);
  std::vector<WantedKey> const all = {wanted(1, true)};
  std::vector<DiscoveryKey> const refused = {all[0].key};
  EXPECT_EQ(send(listing, listing.plan(all, 0), 0, refused), refused);
  EXPECT_TRUE(send(listing, listing.plan(all, kLater), kLater, refused).empty());
  listing.forget();
  KeyListing::Plan const anew = listing.plan(all, kLater + 1);
  EXPECT_EQ(anew.add.size(), 1U) << "the service may have lost what filled it";
  EXPECT_TRUE(send(listing, anew, kLater + 1, refused).empty());
}

TEST(KeyListing, AKeyThatWasListedCanBeRefused) {
  KeyListing listing;
  std::vector<WantedKey> const all = {wanted(1, false)};
  send(listing, listing.plan(all, 0), 0);
  std::uint64_t const later = KeyListing::kProofLifeS;
  send(listing, listing.plan(all, later), later, {all[0].key});
  EXPECT_EQ(listing.size(), 0U);
  EXPECT_TRUE(listing.plan(all, later + 1).empty());
}

TEST(KeyListing, ARefusedKeyTakesNoRoomAndComesLast) {
  KeyListing listing(kLater);
  std::vector<WantedKey> const one = {wanted(1, true)};
  send(listing, listing.plan(one, 0, 1), 0, {one[0].key});
  std::vector<WantedKey> const two = {wanted(1, true), wanted(2, false)};
  KeyListing::Plan const plan = listing.plan(two, kLater, 1);
  ASSERT_EQ(plan.add.size(), 1U);
  EXPECT_EQ(plan.add[0].key, two[1].key) << "it was never offered";
  EXPECT_EQ(plan.unlisted, 0U) << "what is refused is counted as that";
}

TEST(KeyListing, OffersOfRefusedKeysAreSpread) {
  KeyListing listing(kLater);
  std::vector<WantedKey> many;
  std::vector<DiscoveryKey> refused;
  for (std::size_t i = 0; i < KeyListing::kRefreshPerPlanMax + 10; ++i) {
    WantedKey item;
    item.key.bytes[0] = static_cast<Byte>(i >> 8);
    item.key.bytes[1] = static_cast<Byte>(i);
    many.push_back(item);
    refused.push_back(item.key);
  }
  send(listing, listing.plan(many, 0), 0, refused);
  EXPECT_EQ(listing.plan(many, kLater).add.size(), KeyListing::kRefreshPerPlanMax);
}

TEST(KeyListing, KeysThatWereNotSentCannotBeRefused) {
  KeyListing listing;
  send(listing, listing.plan({wanted(1, true)}, 0), 0, {wanted(9, true).key});
  EXPECT_EQ(listing.size(), 1U);
  EXPECT_EQ(listing.refused_count(), 0U);
}

}  // namespace
}  // namespace holdfast::replicator
