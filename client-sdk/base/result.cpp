#include "base/result.h"

namespace holdfast {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::Malformed:
      return "malformed";
    case ErrorCode::LimitExceeded:
      return "limit exceeded";
    case ErrorCode::BadCapability:
      return "bad capability";
    case ErrorCode::BadProof:
      return "bad proof";
    case ErrorCode::BadSignature:
      return "bad signature";
    case ErrorCode::BadHandshake:
      return "bad handshake";
    case ErrorCode::Protocol:
      return "protocol violation";
    case ErrorCode::NotFound:
      return "not found";
    case ErrorCode::Conflict:
      return "conflict";
    case ErrorCode::Denied:
      return "denied";
    case ErrorCode::Unavailable:
      return "unavailable";
    case ErrorCode::StorageFull:
      return "storage full";
    case ErrorCode::Storage:
      return "storage failure";
  }
  HOLDFAST_CHECK(false);
}

std::string to_string(Error const& error) {
  return error.detail + " (" + std::string(to_string(error.code)) + ")";
}

}  // namespace holdfast
