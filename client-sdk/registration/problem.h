#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast::registration {

/// Every kind of problem document that the discovery service gives (RFC 9457).
/// The list with meanings: docs/api/problems.md, which tests/lint/check_problems.py holds against the code.
enum class ProblemType : std::uint8_t {
  MalformedKey,
  MalformedRequest,
  ProjectKeySent,
  BadDigest,
  BadRecord,
  BadSignature,
  BadNonce,
  NotYours,
  Denied,
  UnknownKey,
  UnknownLease,
  UnknownReplicator,
  NotFound,
  MethodNotAllowed,
  SeqConflict,
  TooLarge,
  TargetTooLong,
  WrongTarget,
  BadProof,
  RefusedAddress,
  SelfTestFailed,
  QuotaExceeded,
  RateLimited,
  HeadersTooLarge,
  Internal,
  NobodyCanServe,
  Recovering,
  StoreUnavailable,
};

/// The last part of the type's URI: "unknown-key".
std::string_view problem_name(ProblemType type);
/// "urn:holdfast:problem:unknown-key".
std::string problem_uri(ProblemType type);
int problem_status(ProblemType type);
std::string_view problem_title(ProblemType type);

/// An answer that says what went wrong, for programs (type) and people (detail).
struct ProblemDetails {
  ProblemType type = ProblemType::Internal;
  std::string detail;                           ///< One sentence; never what a key was asked for.
  std::optional<std::uint64_t> retry_after_s;   ///< Also the Retry-After header.
  std::optional<std::string> observed_address;  ///< Where the request was seen to come from.
  std::optional<Bytes> record;                  ///< SeqConflict: the signed record that is kept.
  /// SelfTestFailed, RefusedAddress: which address, which step. At most kTranscriptBytesMax.
  std::optional<std::string> transcript;
};

inline constexpr std::size_t kTranscriptBytesMax = 1024;
inline constexpr std::string_view kProblemContentType = "application/problem+json";

std::string to_json(ProblemDetails const& problem);

/// Reads a problem document of any server: an unknown or missing type is taken from `http_status`
/// (404 NotFound, 429 RateLimited, 503 StoreUnavailable, …, Internal for the rest).
/// Errors: Malformed if it is not a JSON object of bounded size.
Result<ProblemDetails> problem_from_json(std::string_view text, int http_status);

/// How a failed operation of a store or parser is told to the caller; Unavailable gets Retry-After.
ProblemDetails problem_of(Error const& error);

}  // namespace holdfast::registration
