#include "discovery/registry/lookup.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/check.h"
#include "support/record_store_double.h"

namespace holdfast::discovery {

namespace {

using registration::Address;
using registration::AddressKind;

KeyPair pair_of(Byte seed) {
  Seed out;
  out.bytes.fill(seed);
  return KeyPair::from_seed(out);
}

struct HostWish {
  std::string region = {};
  std::vector<Address> addresses = {{AddressKind::Tcp, "", 4838, ""}};
  Duration lease_left{45'999};
};

Host host_of(Byte seed, HostWish const& wish = {}) {
  registration::Record record;
  record.id = pair_of(seed).public_key;
  record.region = wish.region;
  record.addresses = wish.addresses;
  Host out;
  out.replicator.id = record.id;
  out.replicator.observed_host = "192.0.2." + std::to_string(seed);
  out.replicator.lease_left = wish.lease_left;
  auto const signed_record = registration::sign_record(record, pair_of(seed));
  HOLDFAST_CHECK(signed_record.ok());
  out.replicator.signed_record = signed_record->bytes;
  return out;
}

HostAnswer answer_of(std::vector<Host> hosts) {
  HostAnswer out;
  out.known = !hosts.empty();
  out.hosts = std::move(hosts);
  return out;
}

std::vector<PublicKey> order_of(registration::LookupAnswer const& answer) {
  std::vector<PublicKey> out;
  for (auto const& endpoint : answer.endpoints) out.push_back(endpoint.replicator);
  return out;
}

LookupQuery query_of(Byte key, std::string region = {}) {
  LookupQuery out;
  out.key.bytes.fill(key);
  out.region = std::move(region);
  return out;
}

/// A store that knows some keys, and nothing else.
class KnownKeys final : public RecordStoreDouble {
 public:
  KnownKeys() : RecordStoreDouble(nullptr) {}
  std::set<DiscoveryKey> known;
  std::vector<Host> hosts;
  bool recovering = false;
  bool is_down = false;

  Result<HostAnswer> hosts_of(HostQuery const& query) override {
    if (is_down) return Unexpected(ErrorCode::Unavailable, "down");
    HostAnswer out;
    out.known = known.contains(query.key);
    out.recovering = recovering;
    if (out.known) out.hosts = hosts;
    return out;
  }
};

TEST(RankEndpoints, GivesWholeSecondsThatAreLeft) {
  auto const answer = rank_endpoints(answer_of({host_of(1)}), query_of(1));
  ASSERT_EQ(answer.endpoints.size(), 1U);
  EXPECT_EQ(answer.endpoints[0].expires_in_s, 45U);
}

TEST(RankEndpoints, LeavesOutWhatIsNearlyOver) {
  EXPECT_TRUE(rank_endpoints(answer_of({host_of(1, {.lease_left = Duration(999)})}), query_of(1))
                  .endpoints.empty());
  EXPECT_EQ(rank_endpoints(answer_of({host_of(1, {.lease_left = Duration(1'000)})}), query_of(1))
                .endpoints.size(),
            1U);
}

TEST(RankEndpoints, FillsInTheObservedHost) {
  auto const answer = rank_endpoints(answer_of({host_of(1)}), query_of(1));
  EXPECT_EQ(answer.endpoints[0].host, "192.0.2.1");
}

TEST(RankEndpoints, OrderDoesNotDependOnTheStore) {
  std::vector<Host> hosts;
  for (Byte seed = 1; seed <= 6; ++seed) hosts.push_back(host_of(seed));
  auto const order = order_of(rank_endpoints(answer_of(hosts), query_of(1)));
  std::reverse(hosts.begin(), hosts.end());
  EXPECT_EQ(order_of(rank_endpoints(answer_of(hosts), query_of(1))), order);
}

TEST(RankEndpoints, KeysSpreadOverTheNodes) {
  std::vector<Host> hosts;
  for (Byte seed = 1; seed <= 4; ++seed) hosts.push_back(host_of(seed));
  std::set<PublicKey> first;
  for (Byte key = 1; key <= 40; ++key) {
    first.insert(order_of(rank_endpoints(answer_of(hosts), query_of(key)))[0]);
  }
  EXPECT_EQ(first.size(), 4U);
}

TEST(RankEndpoints, ANodeThatLeavesMovesNobodyElse) {
  std::vector<Host> hosts;
  for (Byte seed = 1; seed <= 5; ++seed) hosts.push_back(host_of(seed));
  auto order = order_of(rank_endpoints(answer_of(hosts), query_of(3)));
  std::erase(order, hosts[2].replicator.id);
  hosts.erase(hosts.begin() + 2);
  EXPECT_EQ(order_of(rank_endpoints(answer_of(hosts), query_of(3))), order);
}

TEST(RankEndpoints, TheRegionComesFirst) {
  std::vector<Host> hosts;
  for (Byte seed = 1; seed <= 6; ++seed) {
    hosts.push_back(host_of(seed, {.region = seed == 4 ? "eu" : "us"}));
  }
  for (Byte key = 1; key <= 10; ++key) {
    auto const answer = rank_endpoints(answer_of(hosts), query_of(key, "eu"));
    ASSERT_EQ(answer.endpoints.size(), 6U);
    EXPECT_EQ(answer.endpoints[0].region, "eu");
  }
}

TEST(RankEndpoints, GivesOnlyTheTransportThatWasAskedFor) {
  std::vector<Address> const both = {{AddressKind::Tcp, "a.example", 1, ""},
                                     {AddressKind::WebSocket, "", 0, "wss://b.example/x"}};
  LookupQuery query = query_of(1);
  EXPECT_EQ(rank_endpoints(answer_of({host_of(1, {.addresses = both})}), query).endpoints.size(),
            2U);
  query.transport = AddressKind::WebSocket;
  auto const answer = rank_endpoints(answer_of({host_of(1, {.addresses = both})}), query);
  ASSERT_EQ(answer.endpoints.size(), 1U);
  EXPECT_EQ(answer.endpoints[0].host, "b.example");
  EXPECT_EQ(answer.endpoints[0].port, 443);
  EXPECT_EQ(answer.endpoints[0].url, "wss://b.example/x");
}

TEST(RankEndpoints, AnswersStayBounded) {
  std::vector<Address> const eight(8, {AddressKind::Tcp, "a.example", 1, ""});
  std::vector<Host> hosts;
  for (Byte seed = 1; seed <= 20; ++seed) hosts.push_back(host_of(seed, {.addresses = eight}));
  EXPECT_EQ(rank_endpoints(answer_of(hosts), query_of(1)).endpoints.size(),
            registration::kEndpointsMax);
}

TEST(RankEndpoints, ATamperedRecordReachesNobody) {
  Host host = host_of(1);
  host.replicator.signed_record[50] ^= 1;
  Host other = host_of(2);
  other.replicator.id = pair_of(3).public_key;
  EXPECT_TRUE(rank_endpoints(answer_of({host, other}), query_of(1)).endpoints.empty());
}

class LookUpTest : public testing::Test {
 protected:
  LookupOutcome ask() {
    auto const found = look_up(store_, query_);
    EXPECT_TRUE(found.ok());
    return found ? found->outcome : LookupOutcome::Found;
  }
  LookupQuery query_ = query_of(5);
  KnownKeys store_;
};

TEST_F(LookUpTest, FindsAKeyThatIsHosted) {
  store_.known = {query_.key};
  store_.hosts = {host_of(1)};
  EXPECT_EQ(ask(), LookupOutcome::Found);
}

TEST_F(LookUpTest, AnUnknownKeyIsUnknown) { EXPECT_EQ(ask(), LookupOutcome::UnknownKey); }

TEST_F(LookUpTest, AKeyWithoutALiveHostIsNotUnknown) {
  store_.known = {query_.key};
  EXPECT_EQ(ask(), LookupOutcome::NobodyCanServe);
}

TEST_F(LookUpTest, AKeyWithoutTheTransportIsNotUnknown) {
  store_.known = {query_.key};
  store_.hosts = {host_of(1)};
  query_.transport = AddressKind::WebSocket;
  EXPECT_EQ(ask(), LookupOutcome::NobodyCanServe);
}

TEST_F(LookUpTest, APastedProjectKeyIsNoticed) {
  store_.known = {discovery_key_of(CoreKey{query_.key.bytes})};
  EXPECT_EQ(ask(), LookupOutcome::ProjectKeySent);
}

TEST_F(LookUpTest, APastedProjectKeyIsNoticedWhileRecovering) {
  store_.known = {discovery_key_of(CoreKey{query_.key.bytes})};
  store_.recovering = true;
  EXPECT_EQ(ask(), LookupOutcome::ProjectKeySent);
}

TEST_F(LookUpTest, UnknownMeansLittleWhileRecovering) {
  store_.recovering = true;
  EXPECT_EQ(ask(), LookupOutcome::Recovering);
}

TEST_F(LookUpTest, AStoreThatIsAwayIsAnError) {
  store_.is_down = true;
  EXPECT_EQ(look_up(store_, query_).error().code, ErrorCode::Unavailable);
}

TEST(InfoOf, SaysWhyANodeIsNotListed) {
  ReplicatorEntry entry = host_of(1).replicator;
  EXPECT_TRUE(info_of(entry)->listed);
  entry.state = registration::ReplicatorState::Draining;
  EXPECT_EQ(info_of(entry)->reason, "draining");
  entry.lease_left = Duration(0);
  EXPECT_EQ(info_of(entry)->reason, "lease ran out");
  EXPECT_FALSE(info_of(entry)->listed);
}

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
