#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "core/store.h"
#include "net/backoff.h"
#include "net/registration_client.h"
#include "registration/api.h"
#include "registration/record.h"
#include "replicator/daemon/breakable_sleep.h"
#include "replicator/daemon/key_listing.h"

namespace holdfast::replicator {

/// How a discovery service stands to this node, as it said last.
enum class Standing : std::uint8_t {
  Away,      ///< It does not answer, or not with what was asked for.
  Refusing,  ///< Its operator's rules keep this node out.
  Unlisted,  ///< It knows this node, and does not give it in answers.
  Listing,   ///< It gives this node in answers.
};

/// Sequence numbers for registration records: Unix milliseconds, never twice, kept across restarts.
/// Why persisted: a clock that was set back must not lock the node out. Thread-safe.
class RecordSeq {
 public:
  explicit RecordSeq(core::Store& store) : store_(store) {}
  /// Returns: a number above every earlier one and above `floor`. Errors: Storage.
  Result<std::uint64_t> next(std::uint64_t floor);

 private:
  core::Store& store_;
  Mutex mutex_;
};

/// The last receipt of each service, kept across restarts. Why: a node that comes back with one is listed at once and
/// tested afterwards. Thread-safe.
class Receipts {
 public:
  explicit Receipts(core::Store& store) : store_(store) {}
  /// Empty: none, or it cannot be read.
  Bytes of(std::string const& service) const;
  /// Errors: Storage.
  Result<void> keep(std::string const& service, ByteView receipt);

 private:
  core::Store& store_;
};

struct RegistrarOptions {
  net::ServiceUrl service;
  net::HttpsOptions https;
  registration::Record record;  ///< Without seq, which is filled in.
  net::BackoffOptions backoff;
  std::string token{};  ///< The operator's token or invite; empty: none.
};

/// Keeps this node registered with one discovery service: registers, lists its projects, renews, and starts again
/// when the service forgot it.
///
/// ```
///   Unregistered --PUT ok, all keys sent--> Registered --"unknown lease"--> Unregistered
///        any state --error--> wait (full jitter, Retry-After) --> same state
///        any state --drain()--> the service is told, renewals go on as draining
/// ```
/// Rules:
///  1. The service only learns discovery keys and keyholder proofs.
///  2. Proofs are dated by the service's clock. Why: small computers start with a wrong one.
///  3. What goes wrong is logged once for each reason, with what to do about it.
/// Thread-safety: all public methods from any thread; one thread of its own.
class Registrar {
 public:
  /// `keys`: what the service is to list for this node, sorted. `load`: how busy it is. Both are called on the
  /// registrar's thread.
  Registrar(RegistrarOptions options, KeyPair const& pair, RecordSeq& seq, Receipts& receipts,
            std::function<std::vector<WantedKey>()> keys,
            std::function<registration::LoadFigures()> load);
  ~Registrar();

  void start();
  /// Projects changed: tell the service soon.
  void wake() { rest_.wake(); }
  /// Leaves the answers; the service goes on knowing us until stop().
  void drain();
  /// Deregisters if `deregister` (waits at most for one request), and ends the thread. Repeatable.
  void stop(bool deregister);

  bool registered() const { return registered_; }
  Standing standing() const { return standing_; }
  /// Keys that the service does not list, because it takes only so many of one node, or because
  /// they have too many hosts.
  std::uint64_t unlisted_keys() const { return unlisted_keys_ + refused_keys_; }
  std::uint64_t longest_lease_s() const { return longest_lease_s_; }
  std::uint64_t renewals() const { return renewals_; }
  std::uint64_t failures() const { return failures_; }
  std::string const& service() const { return options_.service.text; }

 private:
  void run();
  /// One round of work. Errors: as the client's.
  Result<void> step();
  /// Registers, unless that was done or this node is leaving.
  Result<void> ensure_registered();
  Result<void> register_now();
  Result<void> send_keys();
  /// What is new of it, in as many batches as it takes.
  Result<void> send_plan();
  Result<void> renew();
  Result<void> send_batch(registration::ProjectsRequest const& batch);
  void note_unlisted(std::size_t count);
  void note_failure(Error const& error);
  /// What the owner can do about the last failure; empty: nothing but wait.
  std::string advice() const;
  void note_lease(registration::LeaseAnswer const& answer);
  std::uint64_t service_now_s() const;

  RegistrarOptions const options_;
  KeyPair const pair_;
  RecordSeq& seq_;
  Receipts& receipts_;
  std::function<std::vector<WantedKey>()> const keys_;
  std::function<registration::LoadFigures()> const load_;

  // Only on the thread:
  std::optional<registration::SignedRecord> record_;
  Bytes receipt_;  ///< The last one; makes a service that lost its store list us at once.
  std::uint64_t listed_count_ = 0;         ///< Keys that the service lists, as it said last.
  std::optional<std::uint64_t> keys_max_;  ///< As the service said last.
  std::string told_why_;  ///< The last reason for not being listed that was logged.
  KeyListing listing_;
  std::int64_t clock_offset_s_ = 0;
  Instant renew_at_{};

  std::atomic<bool> registered_{false};
  std::atomic<Standing> standing_{Standing::Away};
  std::atomic<std::uint64_t> unlisted_keys_{0};  ///< Over the quota.
  std::atomic<std::uint64_t> refused_keys_{0};   ///< With too many hosts.
  std::atomic<std::uint64_t> longest_lease_s_{0};
  std::atomic<std::uint64_t> renewals_{0};
  std::atomic<std::uint64_t> failures_{0};

  std::atomic<bool> draining_{false};
  BreakableSleep rest_;
  Mutex mutex_;
  bool cancelled_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::unique_ptr<net::RegistrationClient>
      client_;  ///< Made on the thread, under mutex_; cancelled from outside.
  std::thread thread_;
};

}  // namespace holdfast::replicator
