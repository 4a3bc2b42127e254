#include "discovery/http/answers.h"

#include <utility>

namespace holdfast::discovery {

using registration::ProblemDetails;
using registration::ProblemType;

HttpResponse json_response(std::string body) {
  HttpResponse response;
  response.body = std::move(body);
  response.headers.add("Cache-Control", "no-store");
  return response;
}

HttpResponse problem_response(ProblemDetails const& problem) {
  HttpResponse response;
  response.status = registration::problem_status(problem.type);
  response.content_type = std::string(registration::kProblemContentType);
  response.body = registration::to_json(problem);
  response.headers.add("Cache-Control", "no-store");
  if (problem.retry_after_s)
    response.headers.add("Retry-After", std::to_string(*problem.retry_after_s));
  return response;
}

ProblemDetails problem_document(ProblemType type, std::string detail,
                                std::optional<std::uint64_t> retry_after_s) {
  ProblemDetails problem;
  problem.type = type;
  problem.detail = std::move(detail);
  problem.retry_after_s = retry_after_s;
  return problem;
}

ProblemDetails store_problem(Error const& error, ProblemType not_found) {
  if (error.code == ErrorCode::NotFound) return problem_document(not_found, "");
  if (error.code == ErrorCode::LimitExceeded)
    return problem_document(ProblemType::QuotaExceeded, error.detail);
  return registration::problem_of(error);
}

ProblemDetails body_problem(Error const& error) {
  bool const too_large = error.code == ErrorCode::LimitExceeded;
  return problem_document(too_large ? ProblemType::TooLarge : ProblemType::MalformedRequest,
                          error.detail);
}

}  // namespace holdfast::discovery
