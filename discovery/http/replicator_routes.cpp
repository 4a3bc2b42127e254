#include "discovery/http/replicator_routes.h"

#include <string>
#include <utility>

#include "codec/key_text.h"
#include "discovery/http/signed_request.h"
#include "discovery/registry/lookup.h"
#include "discovery/registry/nonce.h"
#include "registration/api.h"
#include "registration/record.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemDetails;
using registration::ProblemType;

registration::LeaseAnswer lease_answer(Duration lease, std::uint64_t projects,
                                       registration::ReplicatorState state,
                                       PeerAddress const& peer) {
  SystemRng rng;
  registration::LeaseAnswer answer;
  answer.lease_s = whole_seconds(lease);
  answer.renew_in_s = renew_in_s(lease, rng);
  answer.projects = projects;
  answer.state = state;
  answer.observed_address = peer.ip;
  return answer;
}

}  // namespace

void ReplicatorRoutes::add_routes(Router& router) {
  auto const write = [this](WriteRoute route, Write function) {
    return [this, route, function](HttpRequest const& request) {
      return authenticated(request, route, function);
    };
  };
  router.add("PUT", "/replicators/{id}", write(WriteRoute::Register, &ReplicatorRoutes::put),
             {.body_bytes_max = registration::kRegistrationBytesMax});
  router.add("DELETE", "/replicators/{id}",
             write(WriteRoute::Deregister, &ReplicatorRoutes::deregister));
  router.add("POST", "/replicators/{id}/renew", write(WriteRoute::Renew, &ReplicatorRoutes::renew),
             {.body_bytes_max = registration::kRenewBytesMax});
  router.add("POST", "/replicators/{id}/projects",
             write(WriteRoute::Projects, &ReplicatorRoutes::change_projects),
             {.body_bytes_max = registration::kProjectsBytesMax});
}

HttpOutcome ReplicatorRoutes::authenticated(HttpRequest const& request, WriteRoute route,
                                            Write write) {
  Answer answer = check_and_write(request, write);
  observer_.on_write(route, problem_type(answer));
  HttpResponse response = to_response(std::move(answer));
  if (Result<std::string> const fresh = issue_nonce(store_); fresh)
    response.headers.set("Replay-Nonce", *fresh);
  return response;
}

Answer ReplicatorRoutes::check_and_write(HttpRequest const& request, Write write) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(request.params.at("id"));
  if (!id)
    return problem_document(ProblemType::MalformedKey,
                            "an id is 64 hex digits or 52 z-base-32 characters");
  SignedRequest const check = check_signed_request(request, *id, own_urls_);
  if (check.problem) return *check.problem;
  Result<void> const fresh = use_nonce(store_, *id, check.params.nonce);
  if (!fresh && fresh.error().code == ErrorCode::Denied) {
    return problem_document(ProblemType::BadNonce, fresh.error().detail);
  }
  if (!fresh) return store_problem(fresh.error(), ProblemType::BadNonce);
  return (this->*write)(request, *id);
}

Answer ReplicatorRoutes::put(HttpRequest const& request, PublicKey const& id) {
  Result<registration::RegistrationRequest> const body =
      registration::registration_request_from_json(request.body);
  if (!body) return body_problem(body.error());
  Result<registration::SignedRecord> const record = registration::open_record(body->record);
  if (!record) {
    bool const forged = record.error().code == ErrorCode::BadSignature;
    return problem_document(forged ? ProblemType::BadSignature : ProblemType::BadRecord,
                            record.error().detail);
  }
  if (record->record.id != id)
    return problem_document(ProblemType::NotYours, "the record is another replicator's");
  Result<PutAnswer> const put = store_.put_registration(*record, request.peer.ip);
  if (!put) return store_problem(put.error(), ProblemType::UnknownReplicator);
  if (put->outcome == PutAnswer::Outcome::Conflict) {
    ProblemDetails conflict =
        problem_document(ProblemType::SeqConflict, "a record with this or a higher seq is kept");
    conflict.record = put->kept_record;
    conflict.observed_address = request.peer.ip;
    return conflict;
  }
  return json_response(registration::to_json(lease_answer(
      store_.options().lease, put->projects, registration::ReplicatorState::Active, request.peer)));
}

Answer ReplicatorRoutes::renew(HttpRequest const& request, PublicKey const& id) {
  Result<registration::RenewRequest> const body =
      registration::renew_request_from_json(request.body.empty() ? "{}" : request.body);
  if (!body) return body_problem(body.error());
  Result<ReplicatorEntry> const entry = store_.renew(id, *body);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownLease);
  return json_response(registration::to_json(
      lease_answer(store_.options().lease, entry->projects, entry->state, request.peer)));
}

Answer ReplicatorRoutes::change_projects(HttpRequest const& request, PublicKey const& id) {
  Result<registration::ProjectsRequest> const body =
      registration::projects_request_from_json(request.body);
  if (!body) return body_problem(body.error());
  Result<std::uint64_t> const now_unix_ms = store_.now_unix_ms();
  if (!now_unix_ms) return store_problem(now_unix_ms.error(), ProblemType::UnknownLease);
  for (registration::ProjectListing const& listing : body->add) {
    if (!listing.proof) continue;
    Result<void> const holds =
        registration::check_keyholder_proof(*listing.proof, id, listing.key, *now_unix_ms / 1000);
    if (!holds) return problem_document(ProblemType::BadProof, holds.error().detail);
  }
  Result<ProjectsChange> const projects = store_.change_projects(id, *body);
  if (!projects) return store_problem(projects.error(), ProblemType::UnknownLease);
  return json_response(
      registration::to_json(registration::ProjectsAnswer{.projects = projects->projects}));
}

Answer ReplicatorRoutes::deregister(HttpRequest const& /*request*/, PublicKey const& id) {
  Result<void> const gone = store_.deregister(id);
  if (!gone) return store_problem(gone.error(), ProblemType::UnknownReplicator);
  HttpResponse response;
  response.status = 204;
  return response;
}

}  // namespace holdfast::discovery
