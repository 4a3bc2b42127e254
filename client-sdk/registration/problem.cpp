#include "registration/problem.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "registration/api.h"
#include "registration/base64.h"
#include "registration/json.h"

namespace holdfast::registration {

namespace {

constexpr std::string_view kUriPrefix = "urn:holdfast:problem:";
constexpr std::size_t kDetailBytesMax = 1024;
constexpr std::size_t kProblemBytesMax = 16 * 1024;
constexpr std::uint64_t kRetryAfterMaxS = 86'400;
constexpr std::uint64_t kStoreRetryAfterS = 2;  // A Redis restart takes about as long.

struct ProblemRow {
  ProblemType type;
  int status;
  std::string_view name;
  std::string_view title;
};

constexpr std::array kProblems = {
    ProblemRow{ProblemType::MalformedKey, 400, "malformed-key", "The key cannot be read"},
    ProblemRow{ProblemType::MalformedRequest, 400, "malformed-request",
               "The request cannot be read"},
    ProblemRow{ProblemType::ProjectKeySent, 400, "project-key-sent",
               "A project key was sent instead of its hash"},
    ProblemRow{ProblemType::BadDigest, 400, "bad-digest", "The digest is not that of the body"},
    ProblemRow{ProblemType::BadRecord, 400, "bad-record",
               "The registration record breaks its format"},
    ProblemRow{ProblemType::BadSignature, 401, "bad-signature", "A signature is missing or wrong"},
    ProblemRow{ProblemType::BadNonce, 401, "bad-nonce", "The nonce is used up or too old"},
    ProblemRow{ProblemType::NotYours, 403, "not-yours", "Signed by another replicator"},
    ProblemRow{ProblemType::Denied, 403, "denied", "Not allowed here"},
    ProblemRow{ProblemType::QuotaExceeded, 403, "quota-exceeded", "A quota is used up"},
    ProblemRow{ProblemType::UnknownKey, 404, "unknown-key", "Nobody is registered for the key"},
    ProblemRow{ProblemType::UnknownLease, 404, "unknown-lease", "No lease: register again"},
    ProblemRow{ProblemType::UnknownReplicator, 404, "unknown-replicator", "No such replicator"},
    ProblemRow{ProblemType::NotFound, 404, "not-found", "No such route"},
    ProblemRow{ProblemType::MethodNotAllowed, 405, "method-not-allowed",
               "The route has other methods"},
    ProblemRow{ProblemType::SeqConflict, 409, "seq-conflict", "A newer record is kept"},
    ProblemRow{ProblemType::TooLarge, 413, "too-large", "The body is too large"},
    ProblemRow{ProblemType::TargetTooLong, 414, "target-too-long", "The target is too long"},
    ProblemRow{ProblemType::WrongTarget, 421, "wrong-target", "Signed for another service"},
    ProblemRow{ProblemType::BadProof, 422, "bad-proof", "A keyholder proof does not hold"},
    ProblemRow{ProblemType::RefusedAddress, 422, "refused-address",
               "The address may not be registered"},
    ProblemRow{ProblemType::SelfTestFailed, 422, "self-test-failed",
               "The replicator could not be reached as registered"},
    ProblemRow{ProblemType::RateLimited, 429, "rate-limited", "Too many requests"},
    ProblemRow{ProblemType::HeadersTooLarge, 431, "headers-too-large", "The headers are too large"},
    ProblemRow{ProblemType::Internal, 500, "internal", "Something went wrong here"},
    ProblemRow{ProblemType::NobodyCanServe, 503, "nobody-can-serve",
               "No host of the key can serve now"},
    ProblemRow{ProblemType::Recovering, 503, "recovering",
               "The service is learning anew who is there"},
    ProblemRow{ProblemType::StoreUnavailable, 503, "store-unavailable",
               "The store does not answer"},
};

ProblemRow const& row_of(ProblemType type) {
  auto const* const row =
      std::find_if(kProblems.begin(), kProblems.end(),
                   [type](ProblemRow const& each) { return each.type == type; });
  HOLDFAST_CHECK(row != kProblems.end());
  return *row;
}

ProblemType type_of_status(int status) {
  switch (status) {
    case 400:
      return ProblemType::MalformedRequest;
    case 401:
      return ProblemType::BadSignature;
    case 403:
      return ProblemType::Denied;
    case 404:
      return ProblemType::NotFound;
    case 405:
      return ProblemType::MethodNotAllowed;
    case 413:
      return ProblemType::TooLarge;
    case 429:
      return ProblemType::RateLimited;
    case 502:
    case 503:
    case 504:
      return ProblemType::StoreUnavailable;
    default:
      return ProblemType::Internal;
  }
}

ProblemType type_of_uri(std::string_view uri, int status) {
  if (uri.starts_with(kUriPrefix)) {
    uri.remove_prefix(kUriPrefix.size());
    for (ProblemRow const& row : kProblems) {
      if (row.name == uri) return row.type;
    }
  }
  return type_of_status(status);
}

ProblemType type_of_error(ErrorCode code) {
  switch (code) {
    case ErrorCode::Malformed:
    case ErrorCode::Protocol:
    case ErrorCode::BadHandshake:
    case ErrorCode::BadCapability:
      return ProblemType::MalformedRequest;
    case ErrorCode::LimitExceeded:
      return ProblemType::QuotaExceeded;
    case ErrorCode::BadProof:
      return ProblemType::BadProof;
    case ErrorCode::BadSignature:
      return ProblemType::BadSignature;
    case ErrorCode::NotFound:
      return ProblemType::NotFound;
    case ErrorCode::Conflict:
      return ProblemType::SeqConflict;
    case ErrorCode::Denied:
      return ProblemType::Denied;
    case ErrorCode::Unavailable:
    case ErrorCode::StorageFull:
    case ErrorCode::Storage:
      return ProblemType::StoreUnavailable;
  }
  return ProblemType::Internal;
}

}  // namespace

std::string_view problem_name(ProblemType type) { return row_of(type).name; }
std::string problem_uri(ProblemType type) {
  return std::string(kUriPrefix).append(row_of(type).name);
}
int problem_status(ProblemType type) { return row_of(type).status; }
std::string_view problem_title(ProblemType type) { return row_of(type).title; }

std::string to_json(ProblemDetails const& problem) {
  Json out = {{"type", problem_uri(problem.type)},
              {"title", problem_title(problem.type)},
              {"status", problem_status(problem.type)}};
  if (!problem.detail.empty()) out["detail"] = problem.detail;
  if (problem.retry_after_s) out["retry_after"] = *problem.retry_after_s;
  if (problem.observed_address) out["observed_address"] = *problem.observed_address;
  if (problem.record) out["record"] = to_base64url(*problem.record);
  if (problem.transcript) out["transcript"] = *problem.transcript;
  return dump_json(out);
}

Result<ProblemDetails> problem_from_json(std::string_view text, int http_status) {
  Result<Json> const body = parse_json_object(text, kProblemBytesMax);
  if (!body) return Unexpected(body.error());
  JsonReader in(*body);
  ProblemDetails out;
  out.type = type_of_uri(in.text_or_empty("type", kDetailBytesMax), http_status);
  out.detail = in.text_or_empty("detail", kDetailBytesMax);
  if (in.has("retry_after")) out.retry_after_s = in.number("retry_after", kRetryAfterMaxS);
  if (in.has("observed_address")) {
    out.observed_address = in.text("observed_address", kHostBytesMax);
  }
  if (in.has("transcript")) out.transcript = in.text("transcript", kTranscriptBytesMax);
  if (in.has("record")) out.record = in.base64url("record", kSignedRecordBytesMax);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

ProblemDetails problem_of(Error const& error) {
  ProblemDetails out{.type = type_of_error(error.code),
                     .detail = error.detail,
                     .retry_after_s = {},
                     .observed_address = {},
                     .record = {},
                     .transcript = {}};
  if (out.type == ProblemType::StoreUnavailable) out.retry_after_s = kStoreRetryAfterS;
  return out;
}

}  // namespace holdfast::registration
