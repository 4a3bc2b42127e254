#include "discovery/http/assignment_routes.h"

#include "codec/key_text.h"
#include "discovery/http/signed_request.h"
#include "discovery/registry/nonce.h"
#include "registration/api.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemDetails;
using registration::ProblemType;

constexpr std::uint64_t kWaitMaxS = 60;

}  // namespace

std::string assignment_event(PublicKey const& id) { return "assignments/" + id.hex(); }

void AssignmentRoutes::add_routes(Router& router) {
  router.add("GET", "/replicators/{id}/assignments",
             [this](HttpRequest const& request) { return assignments(request); });
}

std::optional<ProblemDetails> AssignmentRoutes::refusal(HttpRequest const& request,
                                                        PublicKey const& id) {
  SignedRequest const check = check_signed_request(request, id, own_urls_);
  if (check.problem) return check.problem;
  Result<void> const fresh = use_nonce(store_, id, check.params.nonce);
  if (fresh) return std::nullopt;
  if (fresh.error().code == ErrorCode::Denied)
    return problem_document(ProblemType::BadNonce, fresh.error().detail);
  return store_problem(fresh.error(), ProblemType::BadNonce);
}

HttpOutcome AssignmentRoutes::assignments(HttpRequest const& request) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(request.params.at("id"));
  if (!id)
    return problem_response(problem_document(ProblemType::MalformedKey,
                                             "an id is 64 hex digits or 52 z-base-32 characters"));
  std::optional<std::uint64_t> const after =
      number_in(request.query_value("after").value_or("0"), registration::kNumberMax);
  std::optional<std::uint64_t> const wait_s =
      number_in(request.query_value("wait").value_or("0"), kWaitMaxS);
  if (!after || !wait_s)
    return problem_response(problem_document(
        ProblemType::MalformedRequest, "after is a cursor, wait a number of seconds from 0 to 60"));
  // A request that was held comes here again, and its nonce is spent already.
  if (request.call == Call::First) {
    if (std::optional<ProblemDetails> const problem = refusal(request, *id); problem) {
      HttpResponse response = problem_response(*problem);
      if (Result<std::string> const fresh = issue_nonce(store_); fresh)
        response.headers.set("Replay-Nonce", *fresh);
      return response;
    }
  }
  Result<Assignments> const found = store_.assignments_of(*id, *after, registration::kBatchKeysMax);
  if (!found) return problem_response(store_problem(found.error(), ProblemType::UnknownLease));
  if (found->keys.empty() && *wait_s > 0 && request.call == Call::First)
    return WaitFor{assignment_event(*id), Duration(*wait_s * 1'000)};
  registration::AssignmentsAnswer answer;
  answer.cursor = found->cursor;
  answer.keys = found->keys;
  HttpResponse response = json_response(registration::to_json(answer));
  if (Result<std::string> const fresh = issue_nonce(store_); fresh)
    response.headers.set("Replay-Nonce", *fresh);
  return response;
}

}  // namespace holdfast::discovery
