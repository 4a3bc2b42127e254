// What a look-up costs that hits, over small and large registries, and what memory a cached key takes.
// One item is one look-up of a uniformly random key.
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/random.h"
#include "discovery/directory/directory.h"
#include "discovery/http/lookup_answers.h"
#include "discovery/http/lookup_request.h"
#include "discovery/http/rate_limiter.h"
#include "registration/record.h"

namespace holdfast::discovery {
namespace {

constexpr Instant kNow{Duration(1'000'000)};
constexpr std::uint64_t kUnixMs = 1'800'000'000'000;

DiscoveryKey key_of(std::uint64_t number) {
  SeededRng rng(number);
  DiscoveryKey out;
  for (std::size_t i = 0; i < 32; i += 8) {
    std::uint64_t const word = rng.next();
    for (std::size_t j = 0; j < 8; ++j) out.bytes[i + j] = static_cast<Byte>(word >> (8 * j));
  }
  return out;
}

std::size_t resident_bytes() {
  std::ifstream status("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  status >> all >> resident;
  return resident * 4'096;
}

/// A Directory with `keys` keys, each on two of `replicators` with keyholder proofs, all in memory.
struct Registry {
  Registry(std::uint64_t key_count, std::uint64_t replicator_count)
      : keys(key_count), directory({}, [] { return kNow; }) {
    std::vector<ReplicatorEntry> all;
    for (std::uint64_t i = 0; i < replicator_count; ++i) all.push_back(replicator(i));
    std::vector<PublicKey> ids;
    for (ReplicatorEntry const& each : all) ids.push_back(each.id);
    directory.on_table(std::move(all), kUnixMs, false);
    std::size_t const before = resident_bytes();
    for (std::uint64_t i = 0; i < keys; ++i) fill(i, ids);
    bytes_per_key = static_cast<double>(resident_bytes() - before) / static_cast<double>(keys);
    HOLDFAST_CHECK(directory.counters().keys == keys);
  }

  static ReplicatorEntry replicator(std::uint64_t number) {
    Seed seed;
    seed.bytes = key_of(number + 1'000'000'000).bytes;
    KeyPair const pair = KeyPair::from_seed(seed);
    registration::Record record;
    record.id = pair.public_key;
    record.seq = 1;
    record.region = number % 2 == 0 ? "eu" : "us";
    record.group = "rack" + std::to_string(number % 50);
    record.software = "holdfast/0.1.0";
    record.addresses = {{registration::AddressKind::Tcp,
                         "node" + std::to_string(number) + ".example.org", 4838, ""}};
    ReplicatorEntry entry;
    entry.id = pair.public_key;
    entry.signed_record = registration::sign_record(record, pair)->bytes;
    entry.observed_host = "203.0.113.7";
    entry.health.self_test = SelfTest::Passed;
    entry.generation = 1;
    entry.lease_left = Duration(60'000);
    return entry;
  }

  void fill(std::uint64_t number, std::vector<PublicKey> const& ids) {
    LookupQuery query;
    query.key = key_of(number);
    SeededRng rng(number);
    HostingSet set;
    set.now_unix_ms = kUnixMs;
    std::uint64_t const first = rng.below(ids.size());
    for (std::uint64_t i = 0; i < 2; ++i) {
      Hosting line{.id = ids[(first + i) % ids.size()], .generation = 1, .proof = {}};
      line.proof.emplace();
      line.proof->keyholder.bytes = query.key.bytes;
      line.proof->expires_unix_s = kUnixMs / 1'000 + 3'600;
      for (Byte& byte : line.proof->signature.bytes) byte = static_cast<Byte>(rng.next());
      set.lines.push_back(line);
    }
    std::string body;
    DirectoryAnswer const answer = directory.look_up(query, kNow, body);
    HOLDFAST_CHECK(answer.status == DirectoryStatus::Fetch);
    directory.fill(answer.token, set, false, kNow);
  }

  std::uint64_t const keys;
  Directory directory;
  double bytes_per_key = 0;
};

Registry& registry_of(std::uint64_t keys, std::uint64_t replicators) {
  static std::map<std::uint64_t, std::unique_ptr<Registry>> all;
  std::unique_ptr<Registry>& one = all[keys];
  if (one == nullptr) one = std::make_unique<Registry>(keys, replicators);
  return *one;
}

void hit(benchmark::State& state) {
  Registry& registry = registry_of(static_cast<std::uint64_t>(state.range(0)),
                                   static_cast<std::uint64_t>(state.range(1)));
  SeededRng rng(7);
  std::vector<LookupQuery> queries(1 << 16);
  for (LookupQuery& query : queries) query.key = key_of(rng.below(registry.keys));
  std::string body;
  std::size_t next = 0;
  std::size_t bytes = 0;
  for (auto _ : state) {
    body.clear();
    DirectoryAnswer const answer =
        registry.directory.look_up(queries[next++ & (queries.size() - 1)], kNow, body);
    benchmark::DoNotOptimize(answer);
    bytes = body.size();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes_per_answer"] = static_cast<double>(bytes);
  state.counters["bytes_per_key"] = registry.bytes_per_key;
}

/// All that the fast handler does: read the target, look up, charge, write the headers.
void whole_request(benchmark::State& state) {
  Registry& registry = registry_of(static_cast<std::uint64_t>(state.range(0)),
                                   static_cast<std::uint64_t>(state.range(1)));
  RateLimiterOptions options;
  options.mode = RateMode::Measure;
  RateLimiter limiter(options);
  SeededRng rng(7);
  std::vector<std::string> keys(1 << 16);
  for (std::string& key : keys) key = key_of(rng.below(registry.keys)).hex();
  std::optional<IpAddress> const client = IpAddress::parse("203.0.113.7");
  std::string body;
  std::string headers;
  std::size_t next = 0;
  for (auto _ : state) {
    body.clear();
    headers.clear();
    auto const request = read_plain_lookup(keys[next++ & (keys.size() - 1)], {});
    DirectoryAnswer const answer = registry.directory.look_up_here(request->query, kNow, body);
    benchmark::DoNotOptimize(limiter.charge(client, RateKind::Found, kNow));
    append_found_headers(answer, CacheScope::Public, false, headers);
    benchmark::DoNotOptimize(headers.data());
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(hit)->Args({1'000, 10})->Args({1'000'000, 10'000});
BENCHMARK(whole_request)->Args({1'000, 10})->Args({1'000'000, 10'000});

}  // namespace
}  // namespace holdfast::discovery

BENCHMARK_MAIN();
