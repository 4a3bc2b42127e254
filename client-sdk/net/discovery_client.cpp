#include "net/discovery_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace holdfast::net {
namespace {

std::uint64_t unix_seconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

/// Percent-encodes what a query value may not hold.
std::string query_escaped(std::string const& text) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (char const c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      Byte const byte = static_cast<Byte>(c);
      out += "%" + to_hex({&byte, 1});
    }
  }
  return out;
}

std::string target_of(LookupQuery const& query, std::string const& region) {
  std::string target = "/project/" + query.key.hex() + "/sync?transport=tcp";
  if (!region.empty()) target += "&region=" + query_escaped(region);
  if (query.project && query.proven_only) {
    target += "&keyholder=" + keyholder_pair_of(*query.project).public_key.hex();
  }
  if (query.wait > Duration(0)) {
    auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(query.wait).count();
    target += "&wait=" + std::to_string(std::min<std::int64_t>(seconds, 60));
  }
  return target;
}

/// Which of two failures tells the caller more: a refusal beats an outage, an outage beats "unknown
/// key", because the service that is away might know it.
int weight(ErrorCode code) {
  if (code == ErrorCode::NotFound) return 0;
  if (code == ErrorCode::Unavailable) return 1;
  if (code == ErrorCode::BadHandshake) return 2;
  return 3;
}

}  // namespace

LookupQuery LookupQuery::of_project(CoreKey const& project_key) {
  return {discovery_key_of(project_key), project_key, false, Duration(0)};
}

std::vector<FoundEndpoint> check_endpoints(registration::LookupAnswer answer,
                                           LookupQuery const& query, std::uint64_t now_unix_s) {
  std::optional<PublicKey> keyholder;
  if (query.project) keyholder = keyholder_pair_of(*query.project).public_key;
  std::vector<FoundEndpoint> found;
  for (registration::Endpoint& endpoint : answer.endpoints) {
    if (endpoint.transport != registration::AddressKind::Tcp) continue;
    Result<registration::SignedRecord> record = registration::open_record(endpoint.record);
    if (!record || record->record.id != endpoint.replicator) continue;
    FoundEndpoint one;
    one.record = std::move(record->record);
    if (endpoint.proof && !registration::check_keyholder_proof(*endpoint.proof, endpoint.replicator,
                                                               query.key, now_unix_s)) {
      endpoint.proof.reset();
    }
    one.proven = keyholder && endpoint.proof && endpoint.proof->keyholder == *keyholder;
    if (query.proven_only && !one.proven) continue;
    one.endpoint = std::move(endpoint);
    found.push_back(std::move(one));
  }
  std::stable_partition(found.begin(), found.end(),
                        [](FoundEndpoint const& one) { return one.proven; });
  return found;
}

Result<std::unique_ptr<DiscoveryClient>> DiscoveryClient::open(
    DiscoveryClientOptions const& options) {
  if (options.services.empty()) {
    return Unexpected(ErrorCode::Malformed, "no discovery service is given");
  }
  std::unique_ptr<DiscoveryClient> client(new DiscoveryClient());
  client->region_ = options.region;
  for (ServiceUrl const& url : options.services) {
    Result<std::unique_ptr<HttpsClient>> https = HttpsClient::open(url, options.https);
    if (!https) return Unexpected(https.error());
    client->services_.push_back(std::move(*https));
  }
  return client;
}

Result<Lookup> DiscoveryClient::ask(HttpsClient& service, LookupQuery const& query) {
  Result<HttpsAnswer> const answer =
      service.send({.target = target_of(query, region_), .extra_wait = query.wait});
  if (!answer) return Unexpected(answer.error());
  if (answer->status != 200) {
    Duration const longest = failure_.retry_after;
    Unexpected const refused = failure_of(*answer, failure_);
    failure_.retry_after = std::max(failure_.retry_after, longest);
    return refused;
  }
  Result<registration::LookupAnswer> parsed = registration::lookup_answer_from_json(answer->body);
  if (!parsed) return Unexpected(parsed.error());
  Lookup found{
      check_endpoints(std::move(*parsed), query, answer->date_unix_s().value_or(unix_seconds())),
      service.url().text};
  if (found.endpoints.empty()) {
    return Unexpected(ErrorCode::Unavailable, "no endpoint of the answer could be trusted");
  }
  return found;
}

Result<Lookup> DiscoveryClient::lookup(LookupQuery const& query) {
  failure_ = {};
  std::optional<Error> worst;
  for (auto const& service : services_) {
    Result<Lookup> found = ask(*service, query);
    if (found) return found;
    if (!worst || weight(found.error().code) > weight(worst->code)) worst = found.error();
  }
  return Unexpected(*worst);
}

void DiscoveryClient::cancel() {
  for (auto const& service : services_) service->cancel();
}

}  // namespace holdfast::net
