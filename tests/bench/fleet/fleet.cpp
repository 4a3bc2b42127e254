#include "fleet.h"

#include <chrono>
#include <fstream>
#include <functional>
#include <thread>

#include "base/mutex.h"
#include "codec/encoder.h"
#include "crypto/hash.h"
#include "net/tcp.h"
#include "registration/keyholder_proof.h"
#include "registration/record.h"

namespace holdfast::bench {

namespace {

constexpr std::uint64_t kProofLifeS = 24 * 3'600;
constexpr int kAttempts = 20;

std::uint64_t unix_ms() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Hash named(std::string_view what, std::uint64_t seed, std::uint64_t n) {
  Encoder out;
  out.write_raw(as_bytes(what)).write_uint(seed).write_uint(n);
  return blake2b({out.view()});
}

/// Comes back when the service is too busy, as a node does.
Result<void> patiently(net::RegistrationClient& client, std::function<Result<void>()> const& step) {
  Result<void> done = step();
  for (int i = 1; i < kAttempts && !done && done.error().code == ErrorCode::Unavailable; ++i) {
    std::this_thread::sleep_for(std::max(client.failure().retry_after, Duration(100)));
    done = step();
  }
  return done;
}

}  // namespace

Fleet::Fleet(FleetOptions const& options) : options_(options) {
  for (std::uint64_t i = 0; i < options_.replicators; ++i) {
    Seed seed;
    seed.bytes = named("holdfast bench replicator", options_.seed, i).bytes;
    members_.push_back({KeyPair::from_seed(seed), 0, nullptr});
  }
}

CoreKey Fleet::core_key(std::uint64_t n) const {
  return CoreKey{named("holdfast bench core", options_.seed, n).bytes};
}

Result<void> Fleet::register_member(Member& member) {
  registration::Record record;
  record.id = member.pair.public_key;
  record.addresses.push_back({registration::AddressKind::Tcp, "127.0.0.1", member.port, ""});
  record.capacity = 1'000;
  record.software = "holdfast-fleet";
  return patiently(*member.client, [&]() -> Result<void> {
    record.seq = unix_ms();
    Result<registration::SignedRecord> const signed_record =
        registration::sign_record(record, member.pair);
    if (!signed_record) return Unexpected(signed_record.error());
    Result<registration::LeaseAnswer> const lease = member.client->put_record(*signed_record);
    if (!lease) return Unexpected(lease.error());
    return {};
  });
}

Result<void> Fleet::join(Member& member, std::uint64_t index) {
  Result<net::ServiceUrl> const url = net::parse_service_url(options_.discovery);
  if (!url) return Unexpected(url.error());
  net::HttpsOptions https;
  https.trust.pin = Hash::from_hex(options_.pin);
  https.answer_timeout = Duration(60'000);
  Result<std::unique_ptr<net::RegistrationClient>> client =
      net::RegistrationClient::open(*url, https, member.pair);
  if (!client) return Unexpected(client.error());
  member.client = std::move(*client);
  if (Result<void> const done = register_member(member); !done) return done;
  std::uint64_t const expires_s = unix_ms() / 1'000 + kProofLifeS;
  registration::ProjectsRequest batch;
  for (std::uint64_t n = index; n < options_.keys; n += members_.size()) {
    CoreKey const root = core_key(n);
    registration::ProjectListing listing{.key = discovery_key_of(root), .proof = std::nullopt};
    if (options_.proofs)
      listing.proof = registration::make_keyholder_proof(
          keyholder_pair_of(root), member.pair.public_key, listing.key, expires_s);
    batch.add.push_back(listing);
    bool const is_last = n + members_.size() >= options_.keys;
    if (batch.add.size() < registration::kBatchKeysMax && !is_last) continue;
    Result<void> const listed = patiently(*member.client, [&]() -> Result<void> {
      Result<registration::ProjectsAnswer> const answer = member.client->change_projects(batch);
      if (!answer) return Unexpected(answer.error());
      return {};
    });
    if (!listed) return listed;
    batch.add.clear();
  }
  return {};
}

Result<void> Fleet::join() {
  for (Member& member : members_) {
    Result<std::uint16_t> const port = reachable_.listen(member.pair);
    if (!port) return Unexpected(port.error());
    member.port = *port;
  }
  reachable_.start();
  std::atomic<std::uint64_t> next{0};
  Mutex mutex;
  Result<void> outcome;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < options_.threads; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t index = next++; index < members_.size(); index = next++) {
        Result<void> const done = join(members_[index], index);
        if (done) continue;
        next = members_.size();
        MutexLock const lock(mutex);
        outcome = done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return outcome;
}

std::uint64_t Fleet::renew_all(Duration interval) {
  auto const begin = std::chrono::steady_clock::now();
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> failed{0};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < options_.threads; ++i) {
    threads.emplace_back([&] {
      for (std::uint64_t index = next++; index < members_.size(); index = next++) {
        auto const due = begin + interval * index / members_.size();
        std::this_thread::sleep_until(due);
        if (!members_[index].client->renew({})) ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return failed;
}

Result<void> Fleet::write_keys(std::string const& path) const {
  std::ofstream out(path);
  for (std::uint64_t n = 0; n < options_.keys; ++n) {
    out << discovery_key_of(core_key(n)).hex() << '\n';
  }
  out.flush();
  if (!out) return Unexpected(ErrorCode::Storage, "cannot write " + path);
  return {};
}

}  // namespace holdfast::bench
