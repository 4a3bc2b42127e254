#include "net/registration_client.h"

#include <chrono>
#include <utility>

#include "registration/http_signature.h"

namespace holdfast::net {
namespace {

constexpr char const* kJson = "application/json";

std::uint64_t unix_seconds() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count());
}

}  // namespace

ErrorCode error_code_of(registration::ProblemType type) {
  switch (type) {
    using enum registration::ProblemType;
    case MalformedKey:
    case MalformedRequest:
    case BadDigest:
    case BadRecord:
    case MethodNotAllowed:
    case WrongTarget:
    case BadProof:
    case RefusedAddress:
      return ErrorCode::Malformed;
    case BadSignature:
    case BadNonce:
      return ErrorCode::BadSignature;
    case ProjectKeySent:
    case NotYours:
    case Denied:
    case QuotaExceeded:
      return ErrorCode::Denied;
    case UnknownKey:
    case UnknownLease:
    case UnknownReplicator:
    case NotFound:
      return ErrorCode::NotFound;
    case SeqConflict:
      return ErrorCode::Conflict;
    case TooLarge:
    case TargetTooLong:
    case HeadersTooLarge:
      return ErrorCode::LimitExceeded;
    case SelfTestFailed:
    case RateLimited:
    case Internal:
    case NobodyCanServe:
    case Recovering:
    case StoreUnavailable:
      return ErrorCode::Unavailable;
  }
  return ErrorCode::Unavailable;
}

Unexpected failure_of(HttpsAnswer const& answer, ApiFailure& failure) {
  failure.retry_after = answer.retry_after();
  Result<registration::ProblemDetails> problem =
      registration::problem_from_json(answer.body, answer.status);
  if (!problem) {
    return Unexpected(ErrorCode::Unavailable,
                      "the service answered " + std::to_string(answer.status));
  }
  failure.problem = *problem;
  std::string detail(registration::problem_name(problem->type));
  if (!problem->detail.empty()) detail += ": " + problem->detail;
  if (problem->transcript && *problem->transcript != problem->detail)
    detail += " (" + *problem->transcript + ")";
  return Unexpected(error_code_of(problem->type), detail);
}

RegistrationClient::RegistrationClient(std::unique_ptr<HttpsClient> https, KeyPair const& pair)
    : https_(std::move(https)), pair_(pair) {}

Result<std::unique_ptr<RegistrationClient>> RegistrationClient::open(ServiceUrl const& url,
                                                                     HttpsOptions const& options,
                                                                     KeyPair const& pair) {
  Result<std::unique_ptr<HttpsClient>> https = HttpsClient::open(url, options);
  if (!https) return Unexpected(https.error());
  return std::unique_ptr<RegistrationClient>(new RegistrationClient(std::move(*https), pair));
}

std::string RegistrationClient::own_target(std::string const& rest) const {
  return "/replicators/" + pair_.public_key.hex() + rest;
}

Result<HttpsAnswer> RegistrationClient::get(std::string const& target) {
  failure_ = {};
  Result<HttpsAnswer> answer = https_->send({.target = target});
  if (answer && answer->status / 100 != 2) return failure_of(*answer, failure_);
  return answer;
}

Result<void> RegistrationClient::fetch_nonce() {
  if (!nonce_.empty()) return {};
  Result<HttpsAnswer> const answer = get("/nonce");
  if (!answer) return Unexpected(answer.error());
  Result<registration::NonceAnswer> nonce = registration::nonce_answer_from_json(answer->body);
  if (!nonce) return Unexpected(nonce.error());
  nonce_ = std::move(nonce->nonce);
  return {};
}

Result<HttpsAnswer> RegistrationClient::try_signed(std::string const& method,
                                                   std::string const& target,
                                                   std::string const& body, Duration extra_wait) {
  if (Result<void> const ready = fetch_nonce(); !ready) return Unexpected(ready.error());
  registration::SignatureParams const params{unix_seconds(), std::exchange(nonce_, {}),
                                             pair_.public_key};
  std::string const target_uri = https_->url().text + target;
  registration::SignatureHeaders const signed_headers =
      registration::sign_request({method, target_uri, as_bytes(body)}, params, pair_);
  HttpsRequest request{.method = method, .target = target};
  request.headers = {{"Content-Digest", signed_headers.content_digest},
                     {"Signature-Input", signed_headers.signature_input},
                     {"Signature", signed_headers.signature}};
  request.body = body;
  request.extra_wait = extra_wait;
  request.repeatable = true;
  if (!body.empty()) request.content_type = kJson;
  Result<HttpsAnswer> answer = https_->send(request);
  if (answer) nonce_ = answer->header("replay-nonce");
  return answer;
}

Result<HttpsAnswer> RegistrationClient::send_signed(std::string const& method,
                                                    std::string const& target,
                                                    std::string const& body, Duration extra_wait) {
  for (bool first = true;; first = false) {
    failure_ = {};
    Result<HttpsAnswer> answer = try_signed(method, target, body, extra_wait);
    if (!answer || answer->status / 100 == 2) return answer;
    Unexpected const refused = failure_of(*answer, failure_);
    bool const stale =
        failure_.problem && failure_.problem->type == registration::ProblemType::BadNonce;
    if (!first || !stale) return refused;
  }
}

Result<registration::LeaseAnswer> RegistrationClient::put_record(
    registration::SignedRecord const& record, Admission const& admission) {
  registration::RegistrationRequest const request{
      .record = record.bytes, .receipt = admission.receipt, .token = admission.token};
  Result<HttpsAnswer> const answer = send_signed("PUT", own_target(""), to_json(request));
  if (!answer) return Unexpected(answer.error());
  return registration::lease_answer_from_json(answer->body);
}

Result<registration::LeaseAnswer> RegistrationClient::renew(
    registration::RenewRequest const& request) {
  Result<HttpsAnswer> const answer = send_signed("POST", own_target("/renew"), to_json(request));
  if (!answer) return Unexpected(answer.error());
  return registration::lease_answer_from_json(answer->body);
}

Result<registration::ProjectsAnswer> RegistrationClient::change_projects(
    registration::ProjectsRequest const& request) {
  HOLDFAST_CHECK(request.add.size() + request.remove.size() <= registration::kBatchKeysMax);
  Result<HttpsAnswer> const answer = send_signed("POST", own_target("/projects"), to_json(request));
  if (!answer) return Unexpected(answer.error());
  return registration::projects_answer_from_json(answer->body);
}

Result<registration::AssignmentsAnswer> RegistrationClient::assignments(std::uint64_t after,
                                                                        Duration wait) {
  std::string const target = own_target("/assignments?after=" + std::to_string(after) +
                                        "&wait=" + std::to_string(wait.count() / 1'000));
  Result<HttpsAnswer> const answer = send_signed("GET", target, "", wait);
  if (!answer) return Unexpected(answer.error());
  return registration::assignments_answer_from_json(answer->body);
}

Result<void> RegistrationClient::deregister() {
  Result<HttpsAnswer> const answer = send_signed("DELETE", own_target(""), "");
  bool const is_gone = !answer && failure_.problem &&
                       failure_.problem->type == registration::ProblemType::UnknownReplicator;
  if (!answer && !is_gone) return Unexpected(answer.error());
  return {};
}

Result<registration::WhoamiAnswer> RegistrationClient::whoami() {
  Result<HttpsAnswer> const answer = get("/whoami");
  if (!answer) return Unexpected(answer.error());
  return registration::whoami_answer_from_json(answer->body);
}

Result<registration::ReplicatorInfo> RegistrationClient::info_of(PublicKey const& id) {
  Result<HttpsAnswer> const answer = get("/replicators/" + id.hex());
  if (!answer) return Unexpected(answer.error());
  return registration::replicator_info_from_json(answer->body);
}

}  // namespace holdfast::net
