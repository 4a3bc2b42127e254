#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/keys.h"
#include "net/registration_client.h"
#include "reachable.h"

namespace holdfast::bench {

struct FleetOptions {
  std::string discovery;  ///< URL.
  std::string pin;        ///< Of its certificate.
  std::uint64_t replicators = 10;
  std::uint64_t keys = 1'000;  ///< All together, spread evenly.
  bool proofs = true;
  std::uint64_t seed = 1;  ///< Other seeds: other identities and keys.
  std::uint64_t threads = 4;
};

/// Many replicators in one process: real registrations, keys and renewals over kept connections, no data behind them.
/// The core key behind the n-th key of a seed is BLAKE2b-256("holdfast bench core" ‖ seed ‖ n), so that a generator can
/// ask for it.
class Fleet {
 public:
  explicit Fleet(FleetOptions const& options);

  /// Registers everybody and lists all keys. Errors: those of RegistrationClient, for the first that failed.
  Result<void> join();
  /// Renews every lease once, spread over `interval`. Returns: how many renewals failed.
  std::uint64_t renew_all(Duration interval);
  void vanish(std::uint64_t count) { reachable_.vanish(count); }

  /// Hex of the discovery keys, a line each. Errors: Storage.
  Result<void> write_keys(std::string const& path) const;

 private:
  struct Member {
    KeyPair pair;
    std::uint16_t port = 0;
    std::unique_ptr<net::RegistrationClient> client;
  };
  CoreKey core_key(std::uint64_t n) const;
  Result<void> join(Member& member, std::uint64_t index);
  Result<void> register_member(Member& member);

  FleetOptions const options_;
  Reachable reachable_;
  std::vector<Member> members_;
};

}  // namespace holdfast::bench
