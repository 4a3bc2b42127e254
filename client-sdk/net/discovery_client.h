#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/keys.h"
#include "net/https_client.h"
#include "net/registration_client.h"
#include "registration/api.h"

namespace holdfast::net {

struct DiscoveryClientOptions {
  std::vector<ServiceUrl> services;  ///< Asked in this order.
  HttpsOptions https;
  std::string region;  ///< Endpoints there come first; may be empty.
};

/// What is looked up: a registry key, and the project key if the caller has it.
struct LookupQuery {
  DiscoveryKey key;
  std::optional<CoreKey> project;  ///< Stays here: only what it derives is compared.
  bool proven_only = false;        ///< Only endpoints that have shown to know the project key.
  Duration wait{0};                ///< How long the service may hold the request.

  static LookupQuery of_project(CoreKey const& project_key);
};

struct FoundEndpoint {
  registration::Endpoint endpoint;  ///< endpoint.replicator is proven to have signed `record`.
  registration::Record record;
  /// It knows the project key: its keyholder proof is by the project's keyholder and holds now.
  /// Always false when the query had no project.
  bool proven = false;
};

struct Lookup {
  std::vector<FoundEndpoint> endpoints;  ///< In the order to try them: proven ones first.
  std::string service;                   ///< URL of the one that answered.
};

/// Asks discovery services where a key can be replicated.
///
/// Rules:
///  1. Services are asked in turn until one knows endpoints; one that cannot be reached counts as
///     one that does not know.
///  2. An endpoint whose record is not signed by its own id is dropped, and so is a proof that does
///     not hold. Why: the service is trusted to find nodes, not to name them.
///  3. Expiries are judged by the Date of the answer, not by our clock.
/// Blocks its caller. Thread-safety: one thread, except cancel().
class DiscoveryClient {
 public:
  /// Errors: Malformed (no service), those of HttpsClient::open.
  static Result<std::unique_ptr<DiscoveryClient>> open(DiscoveryClientOptions const& options);

  /// Errors: NotFound (every service that answered says so), Denied (a project key was sent),
  /// Malformed, Unavailable (nobody can serve now, or no service was reached; see failure()),
  /// BadHandshake (certificate).
  Result<Lookup> lookup(LookupQuery const& query);

  /// About the last lookup that failed: the longest Retry-After of all services asked.
  ApiFailure const& failure() const { return failure_; }
  void cancel();

 private:
  DiscoveryClient() = default;
  Result<Lookup> ask(HttpsClient& service, LookupQuery const& query);

  std::string region_;
  std::vector<std::unique_ptr<HttpsClient>> services_;
  ApiFailure failure_;
};

/// Checks the answer of a service against the query: keeps TCP, opens records, checks proofs, sorts.
/// `now_unix_s`: what expiries are judged by.
std::vector<FoundEndpoint> check_endpoints(registration::LookupAnswer answer,
                                           LookupQuery const& query, std::uint64_t now_unix_s);

}  // namespace holdfast::net
