#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "registration/problem.h"
#include "serve/message.h"

namespace holdfast::discovery {

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

}  // namespace holdfast::discovery
