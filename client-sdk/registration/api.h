#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"
#include "registration/keyholder_proof.h"
#include "registration/record.h"

namespace holdfast::registration {

/// Bodies of the discovery API (docs/formats/discovery-api.md), each as a struct with JSON both
/// ways.
///
/// Rules:
///  1. Readers ignore members they do not know. Why: that is how the API grows.
///  2. A member of the wrong type, out of its range, or a text longer than its limit makes the
///  whole body
///     Malformed or LimitExceeded; nothing is trimmed silently.
///  3. Texts nested deeper than kJsonDepthMax or longer than the limit of their kind are refused
///  before
///     anything is built from them.

inline constexpr std::size_t kJsonDepthMax = 8;
inline constexpr std::size_t kBatchKeysMax = 1000;              ///< Added and removed together.
inline constexpr std::size_t kProjectsBytesMax = 256 * 1024;    ///< Body of POST …/projects.
inline constexpr std::size_t kRegistrationBytesMax = 8 * 1024;  ///< Body of PUT /replicators/{id}.
inline constexpr std::size_t kRenewBytesMax = 4 * 1024;         ///< Body of POST …/renew.
inline constexpr std::size_t kAnswerBytesMax = 1024 * 1024;     ///< Any answer a client reads.
inline constexpr std::size_t kListBytesMax = 16 * 1024 * 1024;  ///< One page of GET /replicators.
inline constexpr std::size_t kEndpointsMax = 64;                ///< In one answer.
inline constexpr std::size_t kReceiptBytesMax = 128;
inline constexpr std::size_t kTokenBytesMax = 256;
inline constexpr std::size_t kListedReplicatorsMax = 1000;  ///< In one page of GET /replicators.

/// "tcp" or "ws".
std::string_view transport_name(AddressKind kind);
std::optional<AddressKind> transport_from_name(std::string_view name);

/// One place where a key can be replicated now.
struct Endpoint {
  PublicKey replicator;  ///< The Noise static key that must answer there.
  std::string host;      ///< For ws: of the URL.
  std::uint16_t port = 0;
  AddressKind transport = AddressKind::Tcp;
  std::string url;  ///< ws only.
  std::string region;
  std::uint64_t expires_in_s = 0;  ///< What is left of the promise to accept; at least 1.
  std::optional<KeyholderProof> proof;
  Bytes record;  ///< Signed registration bytes.
  friend bool operator==(Endpoint const&, Endpoint const&) = default;
};

/// GET or POST /project/{key}/sync. Never empty: no endpoint is a problem document. `host`, `port`
/// and `expires_in` of the JSON object repeat the first endpoint.
struct LookupAnswer {
  std::vector<Endpoint> endpoints;
  friend bool operator==(LookupAnswer const&, LookupAnswer const&) = default;
};
std::string to_json(LookupAnswer const& answer);
Result<LookupAnswer> lookup_answer_from_json(std::string_view text);

/// PUT /replicators/{id}.
struct RegistrationRequest {
  Bytes record;         ///< Signed registration bytes, not yet opened.
  Bytes receipt{};      ///< The last one this service gave, or empty.
  std::string token{};  ///< An operator's token or an invite, or empty.
};
std::string to_json(RegistrationRequest const& request);
Result<RegistrationRequest> registration_request_from_json(std::string_view text);

enum class ReplicatorState : std::uint8_t { Active, Draining };
std::string_view state_name(ReplicatorState state);
std::optional<ReplicatorState> state_from_name(std::string_view name);

/// Answer to PUT /replicators/{id} and to POST …/renew.
struct LeaseAnswer {
  std::uint64_t lease_s = 0;     ///< Length granted, from now.
  std::uint64_t renew_in_s = 0;  ///< When to renew, jittered by the service.
  std::uint64_t projects =
      0;  ///< Keys listed for this replicator; fewer than it hosts: send them again.
  ReplicatorState state = ReplicatorState::Active;
  std::string observed_address;  ///< Where the request was seen to come from.
  bool listed = true;            ///< Given in answers to look-ups.
  std::string reason{};          ///< Why not, when it is not.
  Bytes receipt{};  ///< Send it back with the next registration: a service that lost its store then
                    ///< lists at once. Empty: keep the last one.
  std::optional<std::uint64_t> keys_max{};  ///< How many keys it may list, if the service says.
  friend bool operator==(LeaseAnswer const&, LeaseAnswer const&) = default;
};
std::string to_json(LeaseAnswer const& answer);
Result<LeaseAnswer> lease_answer_from_json(std::string_view text);

/// How busy a replicator is. Absent figures are 0.
struct LoadFigures {
  std::uint64_t projects = 0;
  std::uint64_t connections = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t cpu_permille = 0;  ///< Of all its processors; at most 1000.
  bool storage_full = false;       ///< Takes no new data.
  friend bool operator==(LoadFigures const&, LoadFigures const&) = default;
};

/// POST /replicators/{id}/renew.
struct RenewRequest {
  ReplicatorState state = ReplicatorState::Active;
  LoadFigures load;
  friend bool operator==(RenewRequest const&, RenewRequest const&) = default;
};
std::string to_json(RenewRequest const& request);
Result<RenewRequest> renew_request_from_json(std::string_view text);

struct ProjectListing {
  DiscoveryKey key;
  std::optional<KeyholderProof> proof;
  friend bool operator==(ProjectListing const&, ProjectListing const&) = default;
};

/// POST /replicators/{id}/projects. Applied as: replace, then remove, then add.
struct ProjectsRequest {
  bool replace = false;  ///< Forget all keys listed before; the first batch of a full resend.
  std::vector<ProjectListing> add;
  std::vector<DiscoveryKey> remove;
  friend bool operator==(ProjectsRequest const&, ProjectsRequest const&) = default;
};
std::string to_json(ProjectsRequest const& request);
Result<ProjectsRequest> projects_request_from_json(std::string_view text);

struct ProjectsAnswer {
  std::uint64_t projects = 0;  ///< Keys listed now.
  /// Of those added: not listed, because the key has as many hosts as a key may have. At most
  /// kBatchKeysMax.
  std::vector<DiscoveryKey> refused{};
  friend bool operator==(ProjectsAnswer const&, ProjectsAnswer const&) = default;
};
std::string to_json(ProjectsAnswer const& answer);
Result<ProjectsAnswer> projects_answer_from_json(std::string_view text);

/// GET /replicators/{id}/assignments?after=CURSOR&wait=S: registry keys this volunteer is asked to
/// take on. It answers by listing them (POST …/projects), or not at all.
struct AssignmentsAnswer {
  std::uint64_t cursor = 0;        ///< Give as `after` the next time.
  std::vector<DiscoveryKey> keys;  ///< In the order of assignment; at most kBatchKeysMax.
  friend bool operator==(AssignmentsAnswer const&, AssignmentsAnswer const&) = default;
};
std::string to_json(AssignmentsAnswer const& answer);
Result<AssignmentsAnswer> assignments_answer_from_json(std::string_view text);

/// GET /replicators/{id}, and the items of GET /replicators.
struct ReplicatorInfo {
  Record record;
  Bytes signed_record;
  ReplicatorState state = ReplicatorState::Active;
  bool listed = false;             ///< Given in answers.
  std::string reason;              ///< Why not, when it is not: "draining", "lease ran out".
  std::uint64_t expires_in_s = 0;  ///< 0: the lease ran out and it is not forgotten yet.
  std::uint64_t projects = 0;
  LoadFigures load;
  std::string observed_address;
};
std::string to_json(ReplicatorInfo const& info);
/// The record is opened and its signature checked.
Result<ReplicatorInfo> replicator_info_from_json(std::string_view text);

/// GET /replicators?after=ID&limit=N, in order of id.
struct ReplicatorList {
  std::vector<ReplicatorInfo> replicators;
  std::optional<PublicKey> next;  ///< Give as `after` for the next page.
};
std::string to_json(ReplicatorList const& list);
Result<ReplicatorList> replicator_list_from_json(std::string_view text);

/// GET /whoami.
struct WhoamiAnswer {
  std::string observed_address;
  std::uint64_t now_unix_ms = 0;  ///< The service's clock: what leases and proofs are judged by.
  bool may_register = true;       ///< Whether a replicator could register from that address.
  std::string reason{};           ///< Why not, when it could not.
};
std::string to_json(WhoamiAnswer const& answer);
Result<WhoamiAnswer> whoami_answer_from_json(std::string_view text);

/// GET /nonce; the same nonce is in the Replay-Nonce header.
struct NonceAnswer {
  std::string nonce;
};
std::string to_json(NonceAnswer const& answer);
Result<NonceAnswer> nonce_answer_from_json(std::string_view text);

}  // namespace holdfast::registration
