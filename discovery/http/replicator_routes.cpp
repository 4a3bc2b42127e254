#include "discovery/http/replicator_routes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "codec/key_text.h"
#include "discovery/http/replicator_info.h"
#include "discovery/http/signed_request.h"
#include "discovery/probe/probe_target.h"
#include "discovery/probe/steady_clock.h"
#include "discovery/registry/lookup.h"
#include "discovery/registry/nonce.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemDetails;
using registration::ProblemType;
using registration::ReplicatorState;

constexpr Duration kSelfTestWait{3'000};
constexpr std::uint64_t kReceiptLifeS = 30 * 24 * 3'600;
constexpr std::uint64_t kReceiptOnceInRenewals =
    256;  // Often enough for its life; it costs two calls.

/// What a stranger may not name, as far as it can be told without DNS.
std::optional<ProblemDetails> literal_refusal(registration::Record const& record,
                                              std::string const& observed, bool trusted,
                                              AddressPolicy const& policy) {
  ProbeTarget const target{.id = record.id,
                           .addresses = record.addresses,
                           .observed_host = observed,
                           .may_name_others = trusted};
  std::vector<ResolvedAddress> resolved;
  for (registration::Address const& address : record.addresses) {
    registration::HostPort const place = place_of(address, observed);
    ResolvedAddress one{address, place.port, {}};
    if (std::optional<IpAddress> const literal = IpAddress::parse(place.host); literal)
      one.found.push_back(*literal);
    resolved.push_back(std::move(one));
  }
  ProbePlan const plan = plan_probe(target, resolved, policy);
  if (!plan.refused) return std::nullopt;
  ProblemDetails problem = problem_document(ProblemType::RefusedAddress, plan.refused->transcript);
  problem.transcript = plan.refused->transcript;
  problem.observed_address = observed;
  return problem;
}

/// Try again after a quarter of a lease, and as much again at random.
ProblemDetails failed_test(Health const& health, std::string const& observed, Duration lease) {
  SystemRng rng;
  std::uint64_t const quarter_s = std::max<std::uint64_t>(1, whole_seconds(lease) / 4);
  ProblemDetails problem = problem_document(
      ProblemType::SelfTestFailed, "this service could not reach the replicator as it registered",
      quarter_s + rng.below(quarter_s + 1));
  problem.transcript = health.transcript;
  problem.observed_address = observed;
  return problem;
}

}  // namespace

HttpHandler RegistrationParts::within_budget(RateKind kind, HttpHandler handler) const {
  if (limiter == nullptr) return handler;
  return limited(*limiter, kind, steady_now, std::move(handler));
}

void ReplicatorRoutes::add_routes(Router& router) {
  auto const write = [this](WriteRoute route, Write function) {
    RateKind const kind = route == WriteRoute::Renew ? RateKind::Renewal : RateKind::Write;
    return parts_.within_budget(kind, [this, route, function](HttpRequest const& request) {
      return authenticated(request, route, function);
    });
  };
  router.add("PUT", "/replicators/{id}", write(WriteRoute::Register, &ReplicatorRoutes::put),
             {.body_bytes_max = registration::kRegistrationBytesMax});
  router.add("DELETE", "/replicators/{id}",
             write(WriteRoute::Deregister, &ReplicatorRoutes::deregister));
  router.add("POST", "/replicators/{id}/renew", write(WriteRoute::Renew, &ReplicatorRoutes::renew),
             {.body_bytes_max = registration::kRenewBytesMax, .gather = true});
  router.add("POST", "/replicators/{id}/projects",
             write(WriteRoute::Projects, &ReplicatorRoutes::change_projects),
             {.body_bytes_max = registration::kProjectsBytesMax});
}

HttpOutcome ReplicatorRoutes::authenticated(HttpRequest const& request, WriteRoute route,
                                            Write write) {
  WriteAnswer done = check_and_write(request, route, write);
  if (WaitFor* const wait = std::get_if<WaitFor>(&done)) return std::move(*wait);
  if (Rest* const rest = std::get_if<Rest>(&done)) {
    return Later{[this, route, rest = std::move(*rest)] { return conclude(route, rest()); }};
  }
  if (ProblemDetails* const problem = std::get_if<ProblemDetails>(&done))
    return conclude(route, std::move(*problem));
  return conclude(route, std::get<HttpResponse>(std::move(done)));
}

HttpResponse ReplicatorRoutes::conclude(WriteRoute route, Answer answer) {
  observer_.on_write(route, problem_type(answer));
  HttpResponse response = to_response(std::move(answer));
  if (Result<std::string> const fresh = issue_nonce(store_, Freshness::Recent); fresh)
    response.headers.set("Replay-Nonce", *fresh);
  return response;
}

std::optional<ProblemDetails> ReplicatorRoutes::refusal(HttpRequest const& request,
                                                        PublicKey const& id,
                                                        std::string& nonce) const {
  SignedRequest const check = check_signed_request(request, id, own_urls_);
  if (check.problem) return check.problem;
  nonce = check.params.nonce;
  if (parts_.admission == nullptr) return std::nullopt;
  return parts_.admission->refused_by_ban(id, request.peer.ip);
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::check_and_write(HttpRequest const& request,
                                                                WriteRoute route, Write write) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(request.params.at("id"));
  if (!id)
    return problem_document(ProblemType::MalformedKey,
                            "an id is 64 hex digits or 52 z-base-32 characters");
  // A request that was held was checked, and its nonce spent, when it came in.
  if (request.call != Call::First) return (this->*write)(request, *id);
  std::string nonce;
  if (std::optional<ProblemDetails> problem = refusal(request, *id, nonce); problem)
    return *std::move(problem);
  // A renewal spends its nonce in the store call that renews.
  if (route == WriteRoute::Renew) return (this->*write)(request, *id);
  Result<void> const fresh = use_nonce(store_, *id, nonce);
  if (!fresh && fresh.error().code == ErrorCode::Denied) {
    return problem_document(ProblemType::BadNonce, fresh.error().detail);
  }
  if (!fresh) return store_problem(fresh.error(), ProblemType::BadNonce);
  return (this->*write)(request, *id);
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::put(HttpRequest const& request,
                                                    PublicKey const& id) {
  if (request.call != Call::First) return put_result(request, id);
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
  return store_record(request, *record, *body);
}

std::optional<Receipt> ReplicatorRoutes::receipt_in(registration::RegistrationRequest const& body,
                                                    registration::Record const& record,
                                                    PeerAddress const& peer) {
  if (body.receipt.empty() || parts_.receipt_secret == Hash{}) return std::nullopt;
  Result<std::uint64_t> const now_unix_ms = store_.now_unix_ms();
  if (!now_unix_ms) return std::nullopt;
  return check_receipt(parts_.receipt_secret, record, peer.ip, body.receipt, *now_unix_ms / 1'000);
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::store_record(
    HttpRequest const& request, registration::SignedRecord const& record,
    registration::RegistrationRequest const& body) {
  PublicKey const& id = record.record.id;
  Result<ReplicatorEntry> const kept = store_.find(id);
  if (!kept && kept.error().code != ErrorCode::NotFound)
    return store_problem(kept.error(), ProblemType::UnknownReplicator);
  std::optional<Receipt> const receipt = receipt_in(body, record.record, request.peer);
  bool trusted = false;
  if (parts_.admission != nullptr) {
    AdmissionVerdict verdict = parts_.admission->judge({.id = id,
                                                        .source = request.peer.ip,
                                                        .token = body.token,
                                                        .is_known = kept.ok(),
                                                        .receipt = receipt});
    if (verdict.refused) return *std::move(verdict.refused);
    trusted = verdict.trusted;
  }
  if (parts_.tests != nullptr && parts_.admission != nullptr) {
    std::optional<ProblemDetails> refused =
        literal_refusal(record.record, request.peer.ip, trusted, parts_.admission->policy());
    if (refused) return *std::move(refused);
  }
  bool const same =
      kept && kept->signed_record == record.bytes && kept->observed_host == request.peer.ip;
  bool const passed =
      parts_.tests == nullptr || receipt || (same && kept->health.self_test == SelfTest::Passed);
  Health health;
  health.self_test = passed ? SelfTest::Passed : SelfTest::Pending;
  Result<PutAnswer> const put = store_.put_registration(record, request.peer.ip, health);
  if (!put) return store_problem(put.error(), ProblemType::UnknownReplicator);
  if (put->outcome == PutAnswer::Outcome::Conflict) {
    ProblemDetails conflict =
        problem_document(ProblemType::SeqConflict, "a record with this or a higher seq is kept");
    conflict.record = put->kept_record;
    conflict.observed_address = request.peer.ip;
    return conflict;
  }
  // The same bytes from another place are another promise; and a receipt outweighs a test that is not done.
  bool const outdated = put->outcome == PutAnswer::Outcome::Unchanged && !same;
  if (outdated || (receipt && put->health.self_test == SelfTest::Pending)) {
    Result<void> const set = store_.set_health(id, health);
    if (!set) return store_problem(set.error(), ProblemType::UnknownReplicator);
  }
  if (parts_.admission != nullptr && parts_.admission->is_drained(id)) {
    Result<ReplicatorEntry> const drained = store_.renew(id, {ReplicatorState::Draining, {}});
    if (!drained) return store_problem(drained.error(), ProblemType::UnknownReplicator);
  }
  if (passed) return put_result(request, id);
  Result<ReplicatorEntry> const entry = store_.find(id);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownReplicator);
  parts_.tests->begin(*entry);
  return WaitFor{SelfTests::event_of(id), kSelfTestWait};
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::put_result(HttpRequest const& request,
                                                           PublicKey const& id) {
  Result<ReplicatorEntry> const entry = store_.find(id);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownReplicator);
  bool const running = parts_.tests != nullptr && parts_.tests->is_running(id);
  bool const over = parts_.tests == nullptr || entry->health.self_test != SelfTest::Pending;
  if (running && request.call == Call::Event)
    return WaitFor{SelfTests::event_of(id), kSelfTestWait};
  if (entry->health.self_test == SelfTest::Failed && !running)
    return failed_test(entry->health, request.peer.ip, store_.options().lease);
  registration::LeaseAnswer answer = lease_answer(*entry, request.peer.ip);
  answer.receipt = receipt_for(*entry);
  HttpResponse response = json_response(registration::to_json(answer));
  if (!over || running) {
    response.status = 202;
    response.headers.add("Location", "/replicators/" + id.hex());
  }
  return response;
}

registration::LeaseAnswer ReplicatorRoutes::lease_answer(ReplicatorEntry const& entry,
                                                         std::string const& observed_host) {
  SystemRng rng;
  registration::LeaseAnswer answer;
  answer.lease_s = whole_seconds(store_.options().lease);
  answer.renew_in_s = renew_in_s(store_.options().lease, rng);
  answer.projects = entry.projects;
  if (parts_.admission != nullptr) answer.keys_max = parts_.admission->keys_max(entry.id);
  answer.state = entry.state;
  answer.observed_address = observed_host;
  Listing const listing = listing_of(entry);
  answer.listed = listing.listed;
  answer.reason = listing.reason;
  return answer;
}

Bytes ReplicatorRoutes::receipt_for(ReplicatorEntry const& entry) {
  if (!listing_of(entry).listed || parts_.receipt_secret == Hash{}) return {};
  Result<registration::SignedRecord> const record = registration::open_record(entry.signed_record);
  Result<std::uint64_t> const now_unix_ms = store_.now_unix_ms();
  if (!record || !now_unix_ms) return {};
  Receipt const receipt{
      .trusted = parts_.admission != nullptr && parts_.admission->is_trusted(entry.id),
      .expires_unix_s = *now_unix_ms / 1'000 + kReceiptLifeS};
  return make_receipt(parts_.receipt_secret, record->record, entry.observed_host, receipt);
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::renew(HttpRequest const& request,
                                                      PublicKey const& id) {
  Result<registration::RenewRequest> body =
      registration::renew_request_from_json(request.body.empty() ? "{}" : request.body);
  if (!body) return body_problem(body.error());
  Result<registration::SignatureInput> const input =
      registration::parse_signature_input(request.headers.get("Signature-Input").value_or(""));
  if (!input) return body_problem(input.error());
  Result<NonceUse> const nonce = check_renewal_nonce(store_, input->params.nonce);
  if (!nonce && nonce.error().code == ErrorCode::Denied)
    return problem_document(ProblemType::BadNonce, nonce.error().detail);
  if (!nonce) return store_problem(nonce.error(), ProblemType::BadNonce);
  if (parts_.admission != nullptr && parts_.admission->is_drained(id))
    body->state = ReplicatorState::Draining;
  return Rest{[this, place = renewals_.add({id, *std::move(body), *nonce}),
               observed_host = request.peer.ip] { return renewed(place.result(), observed_host); }};
}

Answer ReplicatorRoutes::renewed(Result<ReplicatorEntry> const& entry,
                                 std::string const& observed_host) {
  if (!entry && entry.error().code == ErrorCode::Denied)
    return problem_document(ProblemType::BadNonce, entry.error().detail);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownLease);
  registration::LeaseAnswer answer = lease_answer(*entry, observed_host);
  if (SystemRng rng; rng.below(kReceiptOnceInRenewals) == 0) {
    if (Result<ReplicatorEntry> const whole = store_.find(entry->id); whole)
      answer.receipt = receipt_for(*whole);
  }
  return json_response(registration::to_json(answer));
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::change_projects(HttpRequest const& request,
                                                                PublicKey const& id) {
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
  std::uint64_t const keys_max = parts_.admission != nullptr
                                     ? parts_.admission->keys_max(id)
                                     : store_.options().projects_per_replicator_max;
  Result<ProjectsChange> projects = store_.change_projects(id, *body, keys_max);
  if (!projects && projects.error().code == ErrorCode::LimitExceeded) {
    return problem_document(
        ProblemType::QuotaExceeded,
        "this replicator may list " + std::to_string(keys_max) + " keys; nothing was changed");
  }
  if (!projects) return store_problem(projects.error(), ProblemType::UnknownLease);
  return json_response(registration::to_json(registration::ProjectsAnswer{
      .projects = projects->projects, .refused = std::move(projects->refused)}));
}

ReplicatorRoutes::WriteAnswer ReplicatorRoutes::deregister(HttpRequest const& /*request*/,
                                                           PublicKey const& id) {
  Result<void> const gone = store_.deregister(id);
  if (!gone) return store_problem(gone.error(), ProblemType::UnknownReplicator);
  HttpResponse response;
  response.status = 204;
  return response;
}

}  // namespace holdfast::discovery
