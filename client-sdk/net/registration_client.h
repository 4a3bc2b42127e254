#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "crypto/keys.h"
#include "net/https_client.h"
#include "registration/api.h"
#include "registration/problem.h"

namespace holdfast::net {

/// What a request of the discovery API failed with, beyond the Error that was returned.
struct ApiFailure {
  std::optional<registration::ProblemDetails> problem;  ///< If the service answered at all.
  Duration retry_after{0};
};

/// The error code of a problem: what callers react to. NotFound: unknown lease, replicator or key.
/// Conflict: seq. Denied, BadSignature, LimitExceeded, Malformed: not worth repeating unchanged.
/// Unavailable: try again later.
ErrorCode error_code_of(registration::ProblemType type);
/// Reads the problem document of an answer that is not 2xx.
Unexpected failure_of(HttpsAnswer const& answer, ApiFailure& failure);

/// A replicator's side of one discovery service: every request of the API that is signed, and the
/// two that tell a self-hoster what the service sees.
///
/// Rules:
///  1. A nonce is spent once; the next comes with the answer. A refused one is replaced and the
///     request tried once more.
///  2. What a kept connection lost without an answer is sent once more (HttpsClient, rule 4), also renewals and changes
///     of the list of keys, which are POSTs. Why that is safe: a lease runs from the last renewal, and the list is a set
///     that only this node changes, one request after the other, so twice is as good as once. And if the first was
///     carried out, its nonce is spent: the same bytes count for nothing, and rule 1 signs them anew.
/// Blocks its caller. Thread-safety: one thread, except cancel().
class RegistrationClient {
 public:
  /// Errors: those of HttpsClient::open.
  static Result<std::unique_ptr<RegistrationClient>> open(ServiceUrl const& url,
                                                          HttpsOptions const& options,
                                                          KeyPair const& pair);

  /// What may go with a record.
  struct Admission {
    Bytes receipt{};      ///< The last one that this service gave, or empty.
    std::string token{};  ///< An operator's token or an invite, or empty.
  };
  /// PUT /replicators/{id}. The answer says whether it is listed already: not while a self-test runs.
  /// Errors: Unavailable also for a self-test that failed; failure() then has the transcript.
  Result<registration::LeaseAnswer> put_record(registration::SignedRecord const& record,
                                               Admission const& admission);
  Result<registration::LeaseAnswer> put_record(registration::SignedRecord const& record) {
    return put_record(record, Admission());
  }
  Result<registration::LeaseAnswer> renew(registration::RenewRequest const& request);
  /// Requires: at most kBatchKeysMax keys.
  Result<registration::ProjectsAnswer> change_projects(
      registration::ProjectsRequest const& request);
  /// Asks for what was assigned since `after`; the service holds the request for at most `wait`.
  Result<registration::AssignmentsAnswer> assignments(std::uint64_t after, Duration wait);
  /// Also fine if the service does not know this node (any more).
  Result<void> deregister();
  Result<registration::WhoamiAnswer> whoami();
  Result<registration::ReplicatorInfo> info() { return info_of(pair_.public_key); }
  /// What the service says of any replicator. Errors: NotFound (it knows none by that id).
  Result<registration::ReplicatorInfo> info_of(PublicKey const& id);

  /// About the last request that failed.
  ApiFailure const& failure() const { return failure_; }
  ServiceUrl const& url() const { return https_->url(); }
  void cancel() { https_->cancel(); }

 private:
  RegistrationClient(std::unique_ptr<HttpsClient> https, KeyPair const& pair);
  std::string own_target(std::string const& rest) const;
  Result<void> fetch_nonce();
  Result<HttpsAnswer> send_signed(std::string const& method, std::string const& target,
                                  std::string const& body, Duration extra_wait = Duration(0));
  Result<HttpsAnswer> try_signed(std::string const& method, std::string const& target,
                                 std::string const& body, Duration extra_wait);
  Result<HttpsAnswer> get(std::string const& target);

  std::unique_ptr<HttpsClient> https_;
  KeyPair pair_;
  std::string nonce_;
  ApiFailure failure_;
};

}  // namespace holdfast::net
