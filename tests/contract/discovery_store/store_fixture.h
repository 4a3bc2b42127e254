#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"
#include "crypto/keys.h"
#include "discovery/registry/record_store.h"
#include "hosts_of.h"

namespace holdfast::discovery {

inline KeyPair pair_of(Byte seed) {
  Seed out;
  out.bytes.fill(seed);
  return KeyPair::from_seed(out);
}

inline DiscoveryKey key_of(std::uint64_t number) {
  DiscoveryKey out;
  for (std::size_t i = 0; i < 8; ++i) out.bytes[i] = static_cast<Byte>(number >> (8 * i) & 0xff);
  out.bytes[31] = 0x4b;
  return out;
}

struct RecordWish {
  std::uint64_t seq = 1;
  std::string region = {};
  std::string host = "node.example.org";
};

inline registration::SignedRecord record_of(Byte seed, RecordWish const& wish = {}) {
  registration::Record record;
  record.id = pair_of(seed).public_key;
  record.seq = wish.seq;
  record.region = wish.region;
  record.addresses = {{registration::AddressKind::Tcp, wish.host, 4838, ""}};
  auto signed_record = registration::sign_record(record, pair_of(seed));
  HOLDFAST_CHECK(signed_record.ok());
  return *std::move(signed_record);
}

inline registration::ProjectsRequest adding(std::vector<DiscoveryKey> const& keys) {
  registration::ProjectsRequest out;
  for (DiscoveryKey const& key : keys) out.add.push_back({key, std::nullopt});
  return out;
}

inline registration::ProjectsRequest removing(std::vector<DiscoveryKey> keys) {
  registration::ProjectsRequest out;
  out.remove = std::move(keys);
  return out;
}

/// A place where state lives, and the means to let time pass there.
class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  /// A store on this world's state. Options must be the same each time.
  virtual std::unique_ptr<RecordStore> open(StoreOptions const& options) = 0;
  virtual void let_pass(Duration duration) = 0;
  virtual std::uint64_t now_unix_ms() = 0;
};

struct WorldCase {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>()> make;
};
inline void PrintTo(WorldCase const& world, std::ostream* out) { *out << world.name; }

inline StoreOptions short_options() {
  StoreOptions out;
  out.lease = Duration(1'500);
  out.forget_after = Duration(1'500);
  out.nonce_life = Duration(600);
  out.replicators_max = 4;
  out.projects_per_replicator_max = 10;
  out.hosts_per_key_max = 3;
  out.peers_per_key_max = 3;
  out.assignments_per_replicator_max = 3;
  out.shared_per_kind_max = 3;
  return out;
}

class RecordStoreTest : public testing::TestWithParam<WorldCase> {
 protected:
  void put(Byte seed, RecordWish const& wish = {}) {
    auto const answer = store_->put_registration(record_of(seed, wish), "192.0.2.1");
    ASSERT_TRUE(answer.ok()) << to_string(answer.error());
    ASSERT_NE(answer->outcome, PutAnswer::Outcome::Conflict);
  }
  void list_keys(Byte seed, std::vector<DiscoveryKey> const& keys) {
    auto const answer = store_->change_projects(id(seed), adding(keys));
    ASSERT_TRUE(answer.ok()) << to_string(answer.error());
  }
  HostAnswer hosts(DiscoveryKey const& key) { return hosts(HostQuery{key, "", std::nullopt}); }
  HostAnswer hosts(HostQuery const& query) {
    auto answer = hosts_of(*store_, query);
    EXPECT_TRUE(answer.ok());
    return answer ? *std::move(answer) : HostAnswer{};
  }
  std::size_t host_count(DiscoveryKey const& key) { return hosts(key).hosts.size(); }
  static PublicKey id(Byte seed) { return pair_of(seed).public_key; }

  std::unique_ptr<StoreWorld> world_ = GetParam().make();
  std::unique_ptr<RecordStore> store_ = world_->open(short_options());
};

class SharedStateTest : public RecordStoreTest {};

/// Keeps what a store told, and waits for it: a store behind a network tells it on a thread of its
/// own.
class Recorder final : public StoreWatcher {
 public:
  struct Seen {
    int lost = 0;
    int tables = 0;
    bool recovering = false;
    std::map<PublicKey, ReplicatorEntry> replicators;  ///< As the messages together say.
    std::map<PublicKey, int> renewals;
    std::multiset<DiscoveryKey> hosting;
    std::multiset<PublicKey> assignments;
    std::multiset<SharedKind> shared;
    std::uint64_t now_unix_ms = 0;
  };

  void on_lost() override {
    tell([](Seen& seen) { ++seen.lost; });
  }
  void on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                bool recovering) override {
    tell([&](Seen& seen) {
      ++seen.tables;
      seen.recovering = recovering;
      seen.now_unix_ms = now_unix_ms;
      seen.replicators.clear();
      for (ReplicatorEntry& entry : all) seen.replicators[entry.id] = std::move(entry);
    });
  }
  void on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) override {
    tell([&](Seen& seen) {
      seen.replicators[entry.id] = entry;
      seen.now_unix_ms = now_unix_ms;
    });
  }
  void on_renewed(PublicKey const& id, registration::ReplicatorState state,
                  registration::LoadFigures const& load, Duration lease_left,
                  std::uint64_t /*now_unix_ms*/) override {
    tell([&](Seen& seen) {
      ++seen.renewals[id];
      ReplicatorEntry& entry = seen.replicators[id];
      entry.state = state;
      entry.load = load;
      entry.lease_left = lease_left;
    });
  }
  void on_gone(PublicKey const& id) override {
    tell([&](Seen& seen) { seen.replicators.erase(id); });
  }
  void on_hosting(DiscoveryKey const& key) override {
    tell([&](Seen& seen) { seen.hosting.insert(key); });
  }
  void on_assignment(PublicKey const& id) override {
    tell([&](Seen& seen) { seen.assignments.insert(id); });
  }
  void on_shared(SharedKind kind) override {
    tell([&](Seen& seen) { seen.shared.insert(kind); });
  }

  /// Returns: whether `condition` came true of what was seen, within some seconds.
  bool await(std::function<bool(Seen const&)> const& condition) {
    std::unique_lock<std::mutex> lock(mutex_);
    return told_.wait_for(lock, std::chrono::seconds(10), [&] { return condition(seen_); });
  }
  Seen seen() {
    std::unique_lock<std::mutex> const lock(mutex_);
    return seen_;
  }

 private:
  template <typename Change>
  void tell(Change const& change) {
    std::unique_lock<std::mutex> const lock(mutex_);
    change(seen_);
    told_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable told_;
  Seen seen_;
};

class WatchedStoreTest : public RecordStoreTest {
 protected:
  WatchedStoreTest() { store_->watch(recorder_); }
  ~WatchedStoreTest() override { store_.reset(); }
  void SetUp() override {
    ASSERT_TRUE(recorder_.await([](Recorder::Seen const& seen) { return seen.tables == 1; }));
  }
  bool await(std::function<bool(Recorder::Seen const&)> const& condition) {
    return recorder_.await(condition);
  }

  Recorder recorder_;
};

}  // namespace holdfast::discovery
