#include "discovery/http/api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "codec/key_text.h"
#include "discovery/http/answers.h"
#include "discovery/http/signed_request.h"
#include "discovery/registry/lookup.h"
#include "discovery/registry/nonce.h"
#include "registration/api.h"
#include "registration/record.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemDetails;
using registration::ProblemType;

constexpr std::size_t kIgnoredBodyBytesMax = 4 * 1024;
constexpr std::uint64_t kWaitMaxS = 60;
constexpr std::size_t kListLimit = 100;

/// Jitter from the system's generator; thread-safe.
class SystemRng final : public Rng {
 public:
  std::uint64_t next() override {
    std::array<Byte, 8> raw{};
    random_bytes(raw);
    std::uint64_t value = 0;
    for (Byte const byte : raw) value = value << 8 | byte;
    return value;
  }
};

std::uint64_t whole_seconds(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(duration).count());
}

std::optional<std::uint64_t> number_in(std::string const& text, std::uint64_t max) {
  std::uint64_t value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

std::string const& param(HttpRequest const& request, char const* name) {
  return request.params.at(name);
}

/// Reads the query of a look-up into `query`. Returns: what is wrong with it, or nothing.
std::optional<std::string> read_lookup_query(HttpRequest const& request, LookupQuery& query) {
  query.region = request.query_value("region").value_or("");
  if (query.region.size() > registration::kLabelBytesMax) return "region is too long";
  if (std::optional<std::string> const name = request.query_value("transport"); name) {
    query.transport = registration::transport_from_name(*name);
    if (!query.transport) return "transport is tcp or ws";
  }
  if (std::optional<std::string> const text = request.query_value("keyholder"); text) {
    Result<PublicKey> const key = parse_key_as<PublicKey>(*text);
    if (!key) return "keyholder is not a public key";
    query.keyholder = *key;
  }
  if (std::optional<std::string> const text = request.query_value("wait");
      text && !number_in(*text, kWaitMaxS)) {
    return "wait is a number of seconds from 0 to 60";
  }
  return std::nullopt;
}

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

HttpResponse to_response(std::variant<HttpResponse, ProblemDetails> answer) {
  if (ProblemDetails const* const problem = std::get_if<ProblemDetails>(&answer))
    return problem_response(*problem);
  return std::get<HttpResponse>(std::move(answer));
}

std::optional<ProblemType> problem_type(std::variant<HttpResponse, ProblemDetails> const& answer) {
  if (ProblemDetails const* const problem = std::get_if<ProblemDetails>(&answer))
    return problem->type;
  return std::nullopt;
}

}  // namespace

Api::Api(RecordStore& store, OwnUrls own_urls, ApiObserver& observer, std::string version)
    : store_(store),
      own_urls_(std::move(own_urls)),
      observer_(observer),
      version_(std::move(version)) {}

void Api::add_routes(Router& router) {
  RouteOptions const read{.body_bytes_max = 0, .cors = true};
  auto const sync = [this](HttpRequest const& request) { return lookup(request); };
  router.add("GET", "/project/{key}/sync", sync, read);
  router.add("POST", "/project/{key}/sync", sync,
             {.body_bytes_max = kIgnoredBodyBytesMax, .cors = true});
  router.add(
      "GET", "/", [this](HttpRequest const&) { return info(); }, read);
  router.add(
      "GET", "/nonce", [this](HttpRequest const&) { return to_response(nonce()); }, read);
  router.add(
      "GET", "/whoami", [this](HttpRequest const& request) { return to_response(whoami(request)); },
      read);
  router.add(
      "GET", "/replicators",
      [this](HttpRequest const& request) { return to_response(list_replicators(request)); }, read);
  router.add(
      "GET", "/replicators/{id}",
      [this](HttpRequest const& request) { return to_response(find_replicator(request)); }, read);

  auto const write = [this](WriteRoute route, Write function) {
    return [this, route, function](HttpRequest const& request) {
      return authenticated(request, route, function);
    };
  };
  router.add("PUT", "/replicators/{id}", write(WriteRoute::Register, &Api::put),
             {.body_bytes_max = registration::kRegistrationBytesMax});
  router.add("DELETE", "/replicators/{id}", write(WriteRoute::Deregister, &Api::deregister));
  router.add("POST", "/replicators/{id}/renew", write(WriteRoute::Renew, &Api::renew),
             {.body_bytes_max = registration::kRenewBytesMax});
  router.add("POST", "/replicators/{id}/projects",
             write(WriteRoute::Projects, &Api::change_projects),
             {.body_bytes_max = registration::kProjectsBytesMax});
}

HttpOutcome Api::lookup(HttpRequest const& request) {
  Answer answer = look_up_key(request);
  observer_.on_lookup(problem_type(answer));
  return to_response(std::move(answer));
}

Api::Answer Api::look_up_key(HttpRequest const& request) {
  LookupQuery query;
  Result<DiscoveryKey> const key = parse_key_as<DiscoveryKey>(param(request, "key"));
  if (!key)
    return problem_document(ProblemType::MalformedKey,
                            "a key is 64 hex digits or 52 z-base-32 characters");
  query.key = *key;
  if (std::optional<std::string> const wrong = read_lookup_query(request, query); wrong) {
    return problem_document(ProblemType::MalformedRequest, *wrong);
  }
  Result<Lookup> const found = look_up(store_, query);
  if (!found) return store_problem(found.error(), ProblemType::UnknownKey);
  std::uint64_t const lease_s = whole_seconds(store_.options().lease);
  switch (found->outcome) {
    case LookupOutcome::Found:
      return json_response(registration::to_json(found->answer));
    case LookupOutcome::UnknownKey:
      return problem_document(ProblemType::UnknownKey, "no replicator is registered for this key");
    case LookupOutcome::NobodyCanServe: {
      // A node that comes back registers within a third of a lease; spread the crowd that waits for it.
      SystemRng rng;
      return problem_document(ProblemType::NobodyCanServe,
                              "replicators of this key are known, none is there now",
                              1 + lease_s / 6 + rng.below(1 + lease_s / 6));
    }
    case LookupOutcome::Recovering:
      return problem_document(ProblemType::Recovering, "replicators are registering again",
                              std::max<std::uint64_t>(1, lease_s / 3));
    case LookupOutcome::ProjectKeySent:
      return problem_document(ProblemType::ProjectKeySent,
                              "this was a project key; ask for its discovery key, and keep the "
                              "project key to yourself");
  }
  return problem_document(ProblemType::Internal, "");
}

HttpOutcome Api::authenticated(HttpRequest const& request, WriteRoute route, Write write) {
  Answer answer = check_and_write(request, write);
  observer_.on_write(route, problem_type(answer));
  HttpResponse response = to_response(std::move(answer));
  if (Result<std::string> const fresh = issue_nonce(store_); fresh)
    response.headers.set("Replay-Nonce", *fresh);
  return response;
}

Api::Answer Api::check_and_write(HttpRequest const& request, Write write) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(param(request, "id"));
  if (!id)
    return problem_document(ProblemType::MalformedKey,
                            "an id is 64 hex digits or 52 z-base-32 characters");
  SignedRequest const check = check_signed_request(request, *id, own_urls_);
  if (check.problem) return *check.problem;
  Result<void> const fresh = use_nonce(store_, check.params.nonce);
  if (!fresh && fresh.error().code == ErrorCode::Denied) {
    return problem_document(ProblemType::BadNonce, fresh.error().detail);
  }
  if (!fresh) return store_problem(fresh.error(), ProblemType::BadNonce);
  return (this->*write)(request, *id);
}

Api::Answer Api::put(HttpRequest const& request, PublicKey const& id) {
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

Api::Answer Api::renew(HttpRequest const& request, PublicKey const& id) {
  Result<registration::RenewRequest> const body =
      registration::renew_request_from_json(request.body.empty() ? "{}" : request.body);
  if (!body) return body_problem(body.error());
  Result<ReplicatorEntry> const entry = store_.renew(id, *body);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownLease);
  return json_response(registration::to_json(
      lease_answer(store_.options().lease, entry->projects, entry->state, request.peer)));
}

Api::Answer Api::change_projects(HttpRequest const& request, PublicKey const& id) {
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
  Result<std::uint64_t> const projects = store_.change_projects(id, *body);
  if (!projects) return store_problem(projects.error(), ProblemType::UnknownLease);
  return json_response(registration::to_json(registration::ProjectsAnswer{.projects = *projects}));
}

Api::Answer Api::deregister(HttpRequest const& /*request*/, PublicKey const& id) {
  Result<void> const gone = store_.deregister(id);
  if (!gone) return store_problem(gone.error(), ProblemType::UnknownReplicator);
  HttpResponse response;
  response.status = 204;
  return response;
}

Api::Answer Api::find_replicator(HttpRequest const& request) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(param(request, "id"));
  if (!id)
    return problem_document(ProblemType::MalformedKey,
                            "an id is 64 hex digits or 52 z-base-32 characters");
  Result<ReplicatorEntry> const entry = store_.find(*id);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownReplicator);
  Result<registration::ReplicatorInfo> const info = info_of(*entry);
  if (!info) return problem_document(ProblemType::Internal, "the stored record cannot be read");
  return json_response(registration::to_json(*info));
}

Api::Answer Api::list_replicators(HttpRequest const& request) {
  std::optional<PublicKey> after;
  std::size_t limit = kListLimit;
  if (std::optional<std::string> const text = request.query_value("after"); text) {
    Result<PublicKey> const id = parse_key_as<PublicKey>(*text);
    if (!id) return problem_document(ProblemType::MalformedKey, "after is an id");
    after = *id;
  }
  if (std::optional<std::string> const text = request.query_value("limit"); text) {
    std::optional<std::uint64_t> const given =
        number_in(*text, registration::kListedReplicatorsMax);
    if (!given || *given == 0)
      return problem_document(ProblemType::MalformedRequest, "limit is 1 to 1000");
    limit = *given;
  }
  Result<std::vector<ReplicatorEntry>> const entries = store_.list(after, limit);
  if (!entries) return store_problem(entries.error(), ProblemType::UnknownReplicator);
  registration::ReplicatorList list;
  for (ReplicatorEntry const& entry : *entries) {
    if (Result<registration::ReplicatorInfo> info = info_of(entry); info)
      list.replicators.push_back(*std::move(info));
  }
  if (entries->size() == limit) list.next = entries->back().id;
  return json_response(registration::to_json(list));
}

Api::Answer Api::whoami(HttpRequest const& request) {
  Result<std::uint64_t> const now_unix_ms = store_.now_unix_ms();
  if (!now_unix_ms) return store_problem(now_unix_ms.error(), ProblemType::Internal);
  return json_response(registration::to_json(registration::WhoamiAnswer{
      .observed_address = request.peer.ip, .now_unix_ms = *now_unix_ms}));
}

Api::Answer Api::nonce() {
  Result<std::string> const fresh = issue_nonce(store_);
  if (!fresh) return store_problem(fresh.error(), ProblemType::Internal);
  HttpResponse response =
      json_response(registration::to_json(registration::NonceAnswer{.nonce = *fresh}));
  response.headers.add("Replay-Nonce", *fresh);
  return response;
}

HttpResponse Api::info() const {
  nlohmann::ordered_json body = {
      {"name", "holdfast-discovery"},
      {"version", version_},
      {"lease", whole_seconds(store_.options().lease)},
      {"public_urls", own_urls_.list()},
      {"routes",
       {"GET|POST /project/{key}/sync", "PUT|GET|DELETE /replicators/{id}",
        "POST /replicators/{id}/renew", "POST /replicators/{id}/projects", "GET /replicators",
        "GET /whoami", "GET /nonce"}}};
  return json_response(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace holdfast::discovery
