#include "discovery/http/answers.h"

#include <array>
#include <charconv>
#include <chrono>
#include <system_error>
#include <utility>

#include "crypto/keys.h"

namespace holdfast::discovery {

using registration::ProblemDetails;
using registration::ProblemType;

HttpResponse to_response(Answer answer) {
  if (ProblemDetails const* const problem = std::get_if<ProblemDetails>(&answer))
    return problem_response(*problem);
  return std::get<HttpResponse>(std::move(answer));
}

std::optional<ProblemType> problem_type(Answer const& answer) {
  if (ProblemDetails const* const problem = std::get_if<ProblemDetails>(&answer))
    return problem->type;
  return std::nullopt;
}

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

std::uint64_t whole_seconds(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(duration).count());
}

std::optional<std::uint64_t> number_in(std::string const& text, std::uint64_t max) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::uint64_t SystemRng::next() {
  std::array<Byte, 8> raw{};
  random_bytes(raw);
  std::uint64_t value = 0;
  for (Byte const byte : raw) value = value << 8 | byte;
  return value;
}

}  // namespace holdfast::discovery
