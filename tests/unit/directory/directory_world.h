#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "discovery/directory/directory.h"
#include "registration/api.h"
#include "registration/keyholder_proof.h"

namespace holdfast::discovery {

inline KeyPair pair_of(Byte number) {
  Seed seed;
  seed.bytes.fill(number);
  return KeyPair::from_seed(seed);
}

inline DiscoveryKey key_of(Byte number) {
  DiscoveryKey key;
  key.bytes.fill(number);
  return key;
}

/// How a replicator of a test differs from an ordinary one.
struct NodeWish {
  std::string region{};
  std::string group{};
  std::uint64_t capacity = 0;
  std::vector<registration::Address> addresses = {{registration::AddressKind::Tcp, "", 4838, ""}};
  registration::AcceptMode accept = registration::AcceptMode::Listed;
  Duration lease_left{45'999};
  registration::ReplicatorState state = registration::ReplicatorState::Active;
  registration::LoadFigures load{};
  SelfTest self_test = SelfTest::Passed;
  bool is_out = false;
  std::uint64_t last_pass_ago_ms = 0;  ///< 0: never.
  std::uint64_t generation = 1;
  std::string observed{};
  std::uint64_t seq = 1;
};

/// A Directory, a steady clock that the test moves, and a store whose time is another one.
class World {
 public:
  static constexpr std::int64_t kStoreOffsetMs = 1'800'000'000'000;

  explicit World(DirectoryOptions const& options = {})
      : directory(options, [this] { return now; }) {
    directory.on_table({}, store_ms(), false);
  }

  std::uint64_t store_ms() const {
    return static_cast<std::uint64_t>(now.time_since_epoch().count() + kStoreOffsetMs);
  }
  ReplicatorEntry entry(Byte number, NodeWish const& wish = {}) const {
    registration::Record record;
    record.id = pair_of(number).public_key;
    record.seq = wish.seq;
    record.region = wish.region;
    record.group = wish.group;
    record.capacity = wish.capacity;
    record.addresses = wish.addresses;
    record.accept = wish.accept;
    auto const signed_record = registration::sign_record(record, pair_of(number));
    HOLDFAST_CHECK(signed_record.ok());
    ReplicatorEntry out;
    out.id = record.id;
    out.signed_record = signed_record->bytes;
    out.observed_host = wish.observed.empty() ? "192.0.2." + std::to_string(number) : wish.observed;
    out.state = wish.state;
    out.load = wish.load;
    out.health.self_test = wish.self_test;
    out.health.is_out = wish.is_out;
    if (wish.last_pass_ago_ms > 0)
      out.health.last_pass_unix_ms = store_ms() - wish.last_pass_ago_ms;
    out.generation = wish.generation;
    out.lease_left = wish.lease_left;
    return out;
  }
  void add(Byte number, NodeWish const& wish = {}) {
    directory.on_replicator(entry(number, wish), store_ms());
  }
  void list(Byte key, std::vector<Byte> const& numbers, bool with_proof = false) {
    std::vector<Hosting> lines;
    for (Byte const number : numbers) {
      Hosting line{.id = pair_of(number).public_key, .generation = 1, .proof = std::nullopt};
      if (with_proof) {
        line.proof = registration::make_keyholder_proof(pair_of(200), line.id, key_of(key),
                                                        store_ms() / 1'000 + 3'600);
      }
      lines.push_back(std::move(line));
    }
    sets[key_of(key)] = std::move(lines);
    directory.on_hosting(key_of(key));
  }
  HostingSet stored(DiscoveryKey const& key) const {
    auto const found = sets.find(key);
    HostingSet set;
    set.now_unix_ms = store_ms();
    set.recovering = recovering;
    if (found != sets.end()) set.lines = found->second;
    return set;
  }
  DirectoryAnswer ask_once(LookupQuery const& query) {
    body.clear();
    return directory.look_up(query, now, body);
  }
  /// Asks, fetches if need be, and asks again.
  DirectoryAnswer ask(LookupQuery const& query) {
    DirectoryAnswer const first = ask_once(query);
    if (first.status != DirectoryStatus::Fetch) return first;
    bool const is_project_key = stored(query.key).lines.empty() &&
                                !stored(discovery_key_of(CoreKey{query.key.bytes})).lines.empty();
    directory.fill(first.token, stored(query.key), is_project_key, now);
    return ask_once(query);
  }
  DirectoryAnswer ask(Byte key) { return ask(query_of(key)); }
  static LookupQuery query_of(Byte key, std::string region = {}) {
    LookupQuery query;
    query.key = key_of(key);
    query.region.label = std::move(region);
    return query;
  }
  std::vector<registration::Endpoint> endpoints() const {
    if (body.empty()) return {};
    auto answer = registration::lookup_answer_from_json(body);
    HOLDFAST_CHECK(answer.ok());
    return std::move(answer).value().endpoints;
  }
  std::vector<PublicKey> order() const {
    std::vector<PublicKey> out;
    for (auto const& endpoint : endpoints()) out.push_back(endpoint.replicator);
    return out;
  }

  Instant now{Duration(1'000'000)};
  bool recovering = false;
  std::map<DiscoveryKey, std::vector<Hosting>> sets;
  std::string body;
  Directory directory;
};

}  // namespace holdfast::discovery
