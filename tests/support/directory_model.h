#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "discovery/directory/directory.h"
#include "registration/api.h"
#include "support/fuzz_input.h"

namespace holdfast::discovery {

/// A Directory beside the truth it should tell: what a store holds, in the plainest form. `input` chooses what happens;
/// after each event and each look-up both must agree, as long as the store is not away.
class DirectoryModel {
 public:
  explicit DirectoryModel(ByteView input)
      : input_(input.data(), input.size()), directory_(small(), [this] { return now_; }) {
    directory_.on_table({}, store_ms(), false);
  }

  void run() {
    while (!input_.empty()) step();
  }

 private:
  static constexpr std::size_t kNodes = 4;
  static constexpr std::size_t kKeys = 3;
  static constexpr std::int64_t kLeaseMs = 60'000;

  struct Node {
    bool is_there = false;
    bool is_draining = false;
    SelfTest self_test = SelfTest::Passed;
    std::uint64_t generation = 0;
    std::int64_t lease_end_ms = 0;  ///< Store time.
  };
  struct Line {
    std::size_t node;
    std::uint64_t generation;
  };
  struct Read {
    FetchToken token;
    HostingSet set;
  };

  static DirectoryOptions small() {
    DirectoryOptions out;
    out.misses = 256;
    return out;
  }
  std::uint64_t store_ms() const {
    return static_cast<std::uint64_t>(now_.time_since_epoch().count()) + 1'800'000'000'000;
  }
  std::int64_t left_ms(Node const& node) const {
    return node.lease_end_ms - static_cast<std::int64_t>(store_ms());
  }
  static KeyPair const& pair_of(std::size_t node) {
    static std::array<KeyPair, kNodes> const pairs = [] {
      std::array<KeyPair, kNodes> out;
      for (std::size_t i = 0; i < kNodes; ++i) {
        Seed seed;
        seed.bytes.fill(static_cast<Byte>(i + 1));
        out[i] = KeyPair::from_seed(seed);
      }
      return out;
    }();
    return pairs[node];
  }
  static Bytes const& record_of(std::size_t node) {
    static std::array<Bytes, kNodes> const records = [] {
      std::array<Bytes, kNodes> out;
      for (std::size_t i = 0; i < kNodes; ++i) {
        registration::Record record;
        record.id = pair_of(i).public_key;
        record.addresses = {{registration::AddressKind::Tcp, "node.example", 4838, ""}};
        out[i] = registration::sign_record(record, pair_of(i))->bytes;
      }
      return out;
    }();
    return records[node];
  }
  static DiscoveryKey key_of(std::size_t key) {
    DiscoveryKey out;
    out.bytes.fill(static_cast<Byte>(key + 1));
    return out;
  }

  ReplicatorEntry entry(std::size_t at) const {
    Node const& node = nodes_[at];
    ReplicatorEntry out;
    out.id = pair_of(at).public_key;
    out.signed_record = record_of(at);
    out.state = node.is_draining ? registration::ReplicatorState::Draining
                                 : registration::ReplicatorState::Active;
    out.health.self_test = node.self_test;
    out.generation = node.generation;
    out.lease_left = Duration(std::max<std::int64_t>(0, left_ms(node)));
    return out;
  }
  HostingSet stored(std::size_t key) const {
    HostingSet set;
    set.now_unix_ms = store_ms();
    for (Line const& line : sets_[key]) {
      set.lines.push_back({pair_of(line.node).public_key, line.generation, std::nullopt});
    }
    return set;
  }

  void step() {
    std::size_t const node = input_.byte() % kNodes;
    std::size_t const key = input_.byte() % kKeys;
    switch (input_.byte() % 10) {
      case 0:
        return put(node);
      case 1:
        return renew(node);
      case 2:
        return leave(node);
      case 3:
        return list(node, key);
      case 4:
        now_ += Duration(input_.byte() * 100);
        return;
      case 5:
        is_away_ = true;
        return directory_.on_lost();
      case 6:
        return come_back();
      case 7:
        if (!reads_.empty()) finish(input_.byte() % reads_.size());
        return;
      default:
        return look(key);
    }
  }

  void put(std::size_t at) {
    Node& node = nodes_[at];
    node.is_there = true;
    if (input_.byte() % 2 == 1) ++node.generation;
    node.self_test = static_cast<SelfTest>(input_.byte() % 3);
    node.is_draining = false;
    node.lease_end_ms = static_cast<std::int64_t>(store_ms()) + kLeaseMs;
    if (!is_away_) directory_.on_replicator(entry(at), store_ms());
  }
  void renew(std::size_t at) {
    Node& node = nodes_[at];
    if (!node.is_there || left_ms(node) <= 0) return;
    node.is_draining = input_.byte() % 4 == 0;
    node.lease_end_ms = static_cast<std::int64_t>(store_ms()) + kLeaseMs;
    ReplicatorEntry const now = entry(at);
    if (is_away_) return;
    directory_.on_renewed(now.id, now.state, now.load, now.lease_left, store_ms());
  }
  void leave(std::size_t at) {
    nodes_[at].is_there = false;
    ++nodes_[at].generation;
    if (!is_away_) directory_.on_gone(pair_of(at).public_key);
  }
  void list(std::size_t at, std::size_t key) {
    std::vector<Line>& lines = sets_[key];
    std::erase_if(lines, [at](Line const& line) { return line.node == at; });
    if (input_.byte() % 3 != 0) lines.push_back({at, nodes_[at].generation});
    if (!is_away_) directory_.on_hosting(key_of(key));
  }
  void come_back() {
    std::vector<ReplicatorEntry> all;
    for (std::size_t at = 0; at < kNodes; ++at) {
      if (nodes_[at].is_there) all.push_back(entry(at));
    }
    is_away_ = false;
    directory_.on_table(std::move(all), store_ms(), false);
  }
  void finish(std::size_t at) {
    directory_.fill(reads_[at].token, reads_[at].set, false, now_);
    reads_.erase(reads_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void look(std::size_t key) {
    LookupQuery query;
    query.key = key_of(key);
    std::string body;
    DirectoryAnswer const answer = directory_.look_up(query, now_, body);
    HOLDFAST_CHECK(body.empty() == (answer.status != DirectoryStatus::Found));
    if (answer.status == DirectoryStatus::Fetch) {
      reads_.push_back({answer.token, stored(key)});
      if (input_.byte() % 2 == 0) finish(reads_.size() - 1);
      return;
    }
    std::map<PublicKey, std::uint64_t> given;
    if (!body.empty()) {
      auto const parsed = registration::lookup_answer_from_json(body);
      HOLDFAST_CHECK(parsed.ok());
      for (auto const& each : parsed->endpoints) given[each.replicator] = each.expires_in_s;
    }
    for (auto const& [id, left_s] : given)
      HOLDFAST_CHECK(left_s >= 1 && left_s <= kLeaseMs / 1'000);
    HOLDFAST_CHECK(is_away_ == answer.degraded_for.has_value() || body.empty());
    if (!is_away_) compare(key, answer.status, given);
  }

  void compare(std::size_t key, DirectoryStatus status,
               std::map<PublicKey, std::uint64_t> const& given) {
    if (status == DirectoryStatus::Wait || status == DirectoryStatus::Away) return;
    bool is_known = false;
    std::map<PublicKey, std::uint64_t> expected;
    for (Line const& line : sets_[key]) {
      Node const& node = nodes_[line.node];
      if (!node.is_there || node.generation != line.generation) continue;
      is_known = true;
      if (node.is_draining || node.self_test != SelfTest::Passed || left_ms(node) < 1'000) continue;
      expected[pair_of(line.node).public_key] = static_cast<std::uint64_t>(left_ms(node) / 1'000);
    }
    HOLDFAST_CHECK(given == expected);
    HOLDFAST_CHECK((status == DirectoryStatus::UnknownKey) == !is_known);
    HOLDFAST_CHECK((status == DirectoryStatus::Found) == !expected.empty());
  }

  testing::FuzzInput input_;
  Instant now_{Duration(1'000'000)};
  bool is_away_ = false;
  std::array<Node, kNodes> nodes_;
  std::array<std::vector<Line>, kKeys> sets_;
  std::vector<Read> reads_;
  Directory directory_;
};

}  // namespace holdfast::discovery
