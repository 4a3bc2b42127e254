#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "discovery/http/admission_receipt.h"
#include "discovery/http/id_list.h"
#include "discovery/http/network_counts.h"
#include "discovery/probe/address_policy.h"
#include "discovery/registry/record_store.h"
#include "registration/problem.h"

namespace holdfast::discovery {

/// Who may register: anybody; who knows an operator's token; who is on the operator's list; who was invited.
enum class RegistrationMode : std::uint8_t { Open, Token, AllowList, Invite };
std::optional<RegistrationMode> registration_mode_from_name(std::string_view name);
std::string_view name_of(RegistrationMode mode);

struct AdmissionOptions {
  RegistrationMode mode = RegistrationMode::Open;
  AddressPolicy policy{};            ///< Its lab ranges have no quotas.
  std::size_t per_v4_24_max = 64;    ///< Replicators that registered from one IPv4 /24, ...
  std::size_t per_v6_64_max = 16;    ///< ... IPv6 /64 ...
  std::size_t per_v6_48_max = 64;    ///< ... and /48.
  std::uint64_t keys_max = 100'000;  ///< For each replicator that has no quota of its own.
};

/// What the operator says in files; read again on SIGHUP.
struct AdmissionFiles {
  std::vector<std::string> tokens;
  IdList allowed;
  IdList banned;
};

/// One that wants to register. Everything but the token is proven already.
struct Applicant {
  PublicKey id;
  std::string source;              ///< The address it comes from.
  std::string token;               ///< Operator's token or invite; may be empty.
  bool is_known = false;           ///< The store keeps a record of it, so it was admitted before.
  std::optional<Receipt> receipt;  ///< Checked.
};

struct AdmissionVerdict {
  std::optional<registration::ProblemDetails> refused;
  bool trusted = false;  ///< May name addresses that it does not come from.
};

/// Decides who may register and how much, from files, from what operators said at run time (kept in the store, shared by
/// all instances), and from how many are there already.
///
/// Rules:
///  1. A ban outranks everything, and holds for renewals and key lists too.
///  2. An invite is good once, for one id; that id is then known, and its receipt says so after a flush.
///  3. Tokens and invites are compared by their hash and never logged.
///  4. What cannot be read from the store right now is judged by what was read last.
///
/// Thread-safe. Calls the store only from the public methods that say so.
class Admission final : public StoreWatcher {
 public:
  Admission(RecordStore& store, AdmissionOptions options);

  void set_files(AdmissionFiles files);
  /// Makes what the ban list names leave the store. Calls the store.
  void drop_banned();

  /// Calls the store.
  AdmissionVerdict judge(Applicant const& applicant);
  /// Whether `id` or where it comes from is banned. Calls the store if something changed there.
  std::optional<registration::ProblemDetails> refused_by_ban(PublicKey const& id,
                                                             std::string const& source);
  std::uint64_t keys_max(PublicKey const& id);
  bool is_drained(PublicKey const& id);
  bool is_trusted(PublicKey const& id) const;
  RegistrationMode mode() const { return options_.mode; }
  AddressPolicy const& policy() const { return options_.policy; }

  // For operators. `what`: an id, an address or a CIDR range. All call the store; what is banned leaves it at once.
  Result<void> ban(std::string_view what, std::string_view reason, std::optional<Duration> life);
  Result<void> unban(std::string_view what);  ///< Errors: NotFound, Malformed.
  Result<void> set_drained(PublicKey const& id, bool drained);
  Result<void> set_quota(PublicKey const& id, std::optional<std::uint64_t> keys);
  /// Returns: the code to give away; only its hash is kept.
  Result<std::string> invite(Duration life);
  struct Ban {
    std::string what;
    std::string reason;
    std::optional<Duration> left;
  };
  std::vector<Ban> bans();

  void on_lost() override {}
  void on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                bool recovering) override;
  void on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) override;
  void on_renewed(PublicKey const&, registration::ReplicatorState, registration::LoadFigures const&,
                  Duration, std::uint64_t) override {}
  void on_gone(PublicKey const& id) override;
  void on_hosting(DiscoveryKey const&) override {}
  void on_assignment(PublicKey const&) override {}
  void on_shared(SharedKind kind) override;

 private:
  struct Lists {
    std::map<PublicKey, Ban> banned_ids;
    std::vector<std::pair<IpNetwork, Ban>> banned_networks;
    std::set<PublicKey> drained;
    std::set<PublicKey> trusted;
    std::map<PublicKey, std::uint64_t> quotas;
  };
  void refresh_if_changed() HOLDFAST_EXCLUDES(mutex_);
  Result<Lists> read_lists();
  bool knows_token(std::string const& token) const HOLDFAST_EXCLUDES(mutex_);
  bool take_invite(std::string const& code);
  std::optional<std::string> mode_refusal(Applicant const& applicant, bool token_is_good);
  std::optional<std::string> network_refusal(Applicant const& applicant) const
      HOLDFAST_EXCLUDES(mutex_);
  void trust(PublicKey const& id) HOLDFAST_EXCLUDES(mutex_);

  RecordStore& store_;
  AdmissionOptions const options_;
  std::atomic<bool> changed_{true};
  std::atomic<Instant> read_again_{};  ///< When a ban ends, or a while after the last reading.
  mutable Mutex mutex_;
  Lists lists_ HOLDFAST_GUARDED_BY(mutex_);
  std::vector<Hash> tokens_ HOLDFAST_GUARDED_BY(mutex_);
  IdList allowed_ HOLDFAST_GUARDED_BY(mutex_);
  IdList banned_ HOLDFAST_GUARDED_BY(mutex_);
  NetworkCounts counts_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::discovery
