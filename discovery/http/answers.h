#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "registration/problem.h"
#include "serve/message.h"

namespace holdfast::discovery {

/// What a handler decided: the response, or the problem to tell.
using Answer = std::variant<HttpResponse, registration::ProblemDetails>;
HttpResponse to_response(Answer answer);
/// Returns: nothing if `answer` is no problem.
std::optional<registration::ProblemType> problem_type(Answer const& answer);

/// 200 with a JSON body that no cache keeps.
HttpResponse json_response(std::string body);

/// The document with its status, content type and Retry-After.
HttpResponse problem_response(registration::ProblemDetails const& problem);

registration::ProblemDetails problem_document(
    registration::ProblemType type, std::string detail,
    std::optional<std::uint64_t> retry_after_s = std::nullopt);

/// How the failure of a store call is told: NotFound and LimitExceeded mean something else on every route.
registration::ProblemDetails store_problem(Error const& error, registration::ProblemType not_found);

/// How a body that cannot be read is told: too-large or malformed-request.
registration::ProblemDetails body_problem(Error const& error);

/// Seconds that are over; never more than is left.
std::uint64_t whole_seconds(Duration duration);

/// A decimal number of at most `max`, and nothing else; for query values.
std::optional<std::uint64_t> number_in(std::string const& text, std::uint64_t max);

/// Jitter from the system's generator; thread-safe.
class SystemRng final : public Rng {
 public:
  std::uint64_t next() override;
};

}  // namespace holdfast::discovery
