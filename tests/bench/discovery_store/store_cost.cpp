// Fills a Redis through the store's own calls and says what it costs there.
// Usage: discovery_store_cost redis://HOST:PORT [KEYS [REPLICATORS]]
// Prints bytes of used_memory per hosting entry (each with a keyholder proof; records, indexes and used
// nonces counted), and microseconds of Redis's processor time per renewal.
#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "discovery/registry/nonce.h"
#include "discovery/store/redis_connection.h"
#include "discovery/store/redis_store.h"

namespace {

using namespace holdfast;
using namespace holdfast::discovery;

constexpr std::size_t kBatch = 100;

KeyPair pair_of(std::uint64_t number) {
  Seed seed;
  for (std::size_t i = 0; i < 8; ++i) seed.bytes[i] = static_cast<Byte>(number >> (8 * i) & 0xff);
  return KeyPair::from_seed(seed);
}

registration::SignedRecord record_of(std::uint64_t number) {
  KeyPair const pair = pair_of(number);
  registration::Record record;
  record.id = pair.public_key;
  record.seq = 1'767'225'600'000;
  record.region = "eu-west";
  record.software = "holdfast-replicator/0.1.0";
  record.capacity = 100'000;
  record.addresses = {
      {registration::AddressKind::Tcp, "node" + std::to_string(number) + ".example.org", 4838, ""}};
  auto out = registration::sign_record(record, pair);
  HOLDFAST_CHECK(out.ok());
  return *std::move(out);
}

registration::ProjectListing listing_of(std::uint64_t /*number*/) {
  registration::ProjectListing out;
  out.proof.emplace();
  random_bytes(out.key.bytes);
  random_bytes(out.proof->keyholder.bytes);
  random_bytes(out.proof->signature.bytes);
  out.proof->expires_unix_s = 1'800'000'000;
  return out;
}

std::string info_of(RedisOptions const& options, std::string_view section) {
  RedisResolver resolver;
  Deadline const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  auto connection = RedisConnection::open(options.servers.front(), resolver, 1 << 24, deadline);
  HOLDFAST_CHECK(connection.ok());
  auto const reply = (*connection)->call_one({"INFO", std::string(section)}, deadline);
  HOLDFAST_CHECK(reply.ok());
  return reply->text;
}

double number_in(std::string const& info, std::string_view name) {
  std::size_t const start = info.find(std::string(name) + ":");
  HOLDFAST_CHECK(start != std::string::npos);
  return std::stod(info.substr(start + name.size() + 1));
}

double used_memory(RedisOptions const& options) {
  return number_in(info_of(options, "memory"), "used_memory");
}

double processor_us(RedisOptions const& options) {
  std::string const info = info_of(options, "cpu");
  return 1e6 * (number_in(info, "used_cpu_sys") + number_in(info, "used_cpu_user"));
}

/// Calls until it works: the store sheds load rather than to wait.
template <typename Call>
void insist(Call const& call) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (call()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  HOLDFAST_CHECK(false);
}

void fill(RecordStore& store, std::size_t keys, std::size_t replicators) {
  for (std::size_t i = 0; i < replicators; ++i) {
    registration::SignedRecord const record = record_of(i);
    insist([&] { return store.put_registration(record, "192.0.2.1").ok(); });
    std::size_t left = keys / replicators;
    while (left > 0) {
      registration::ProjectsRequest request;
      for (std::size_t k = std::min(left, kBatch); k > 0; --k) request.add.push_back(listing_of(k));
      left -= request.add.size();
      insist([&] { return store.change_projects(record.record.id, request).ok(); });
    }
  }
}

void renew_all(RecordStore& store, std::size_t replicators) {
  registration::RenewRequest request;
  request.load.connections = 17;
  for (std::size_t i = 0; i < replicators; ++i) {
    auto const nonce = issue_nonce(store, Freshness::Recent);
    HOLDFAST_CHECK(nonce.ok());
    auto const use = check_renewal_nonce(store, *nonce);
    HOLDFAST_CHECK(use.ok());
    PublicKey const id = pair_of(i).public_key;
    auto const renewed = store.renew(id, request, *use);
    HOLDFAST_CHECK(renewed.ok() || renewed.error().code == ErrorCode::Unavailable);
  }
}

std::size_t argument(int argc, char** argv, int index, std::size_t otherwise) {
  return argc > index ? static_cast<std::size_t>(std::stoull(argv[index])) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  HOLDFAST_CHECK(init_crypto().ok());
  auto const redis = parse_redis_url(argv[1]);
  HOLDFAST_CHECK(redis.ok());
  std::size_t const keys = argument(argc, argv, 2, 1'000'000);
  std::size_t const replicators = argument(argc, argv, 3, 10'000);
  StoreOptions options;
  options.lease = Duration(3'600'000);
  double const before = used_memory(*redis);
  auto const store = make_redis_store(options, *redis);
  double const fill_began = processor_us(*redis);
  fill(*store, keys, replicators);
  double const filled = processor_us(*redis) - fill_began;
  double const memory = used_memory(*redis) - before;
  std::printf("%zu entries of %zu replicators: %.1f bytes each, %.1f us of Redis each to list\n",
              keys, replicators, memory / static_cast<double>(keys),
              filled / static_cast<double>(keys));
  double const renew_began = processor_us(*redis);
  renew_all(*store, replicators);
  std::printf("%.1f us of Redis per renewal\n",
              (processor_us(*redis) - renew_began) / static_cast<double>(replicators));
  std::printf("%.1f bytes each, with used nonces\n",
              (used_memory(*redis) - before) / static_cast<double>(keys));
  return 0;
}
