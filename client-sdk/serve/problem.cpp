#include "serve/problem.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace holdfast {

HttpResponse to_response(Problem const& problem) {
  nlohmann::ordered_json body = {{"type", "urn:holdfast:problem:" + problem.type},
                                 {"title", problem.title},
                                 {"status", problem.status},
                                 {"detail", problem.detail}};
  HttpResponse response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.headers.add("Cache-Control", "no-store");
  if (problem.retry_after) {
    body["retry_after"] = problem.retry_after->count();
    response.headers.add("Retry-After", std::to_string(problem.retry_after->count()));
  }
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return response;
}

Problem bad_request(std::string detail) {
  return {.status = 400,
          .type = "malformed-request",
          .title = "The request is not well formed",
          .detail = std::move(detail)};
}

Problem no_such_route() {
  return {
      .status = 404, .type = "not-found", .title = "There is nothing at this path", .detail = ""};
}

Problem internal_error() {
  return {.status = 500, .type = "internal", .title = "The service made a mistake", .detail = ""};
}

Problem unavailable(std::string detail, std::chrono::seconds retry_after) {
  return {.status = 503,
          .type = "unavailable",
          .title = "The service cannot do this right now",
          .detail = std::move(detail),
          .retry_after = retry_after};
}

}  // namespace holdfast
