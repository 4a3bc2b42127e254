#include "discovery/http/info_routes.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "codec/key_text.h"
#include "discovery/http/replicator_info.h"
#include "discovery/probe/address_policy.h"
#include "discovery/registry/nonce.h"
#include "registration/api.h"
#include "serve/request_collector.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemType;

constexpr std::size_t kListLimit = 100;
constexpr std::uint64_t kWaitMaxS = 60;
constexpr std::size_t kTargetBytesMax = RequestLimits{}.target_bytes_max;
constexpr std::size_t kHeaderBytesMax = RequestLimits{}.head_bytes_max;

}  // namespace

void InfoRoutes::add_routes(Router& router) {
  auto const add = [this, &router](char const* pattern, HttpHandler handler) {
    router.add("GET", pattern, parts_.within_budget(RateKind::Read, std::move(handler)),
               {.body_bytes_max = 0, .cors = true});
  };
  add("/", [this](HttpRequest const&) { return info(); });
  add("/v1/info", [this](HttpRequest const&) { return limits(); });
  add("/nonce", [this](HttpRequest const&) { return to_response(nonce()); });
  add("/whoami", [this](HttpRequest const& request) { return to_response(whoami(request)); });
  add("/replicators",
      [this](HttpRequest const& request) { return to_response(list_replicators(request)); });
  add("/replicators/{id}",
      [this](HttpRequest const& request) { return to_response(find_replicator(request)); });
}

Answer InfoRoutes::find_replicator(HttpRequest const& request) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(request.params.at("id"));
  if (!id)
    return problem_document(ProblemType::MalformedKey,
                            "an id is 64 hex digits or 52 z-base-32 characters");
  Result<ReplicatorEntry> const entry = store_.find(*id);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownReplicator);
  Result<registration::ReplicatorInfo> const info = replicator_info(*entry);
  if (!info) return problem_document(ProblemType::Internal, "the stored record cannot be read");
  return json_response(registration::to_json(*info));
}

Answer InfoRoutes::list_replicators(HttpRequest const& request) {
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
    // What never passed its test is told to its owner by id, and shown to nobody.
    if (entry.health.self_test != SelfTest::Passed) continue;
    if (Result<registration::ReplicatorInfo> info = replicator_info(entry); info)
      list.replicators.push_back(*std::move(info));
  }
  if (entries->size() == limit) list.next = entries->back().id;
  return json_response(registration::to_json(list));
}

Answer InfoRoutes::whoami(HttpRequest const& request) {
  Result<std::uint64_t> const now_unix_ms = store_.now_unix_ms();
  if (!now_unix_ms) return store_problem(now_unix_ms.error(), ProblemType::Internal);
  registration::WhoamiAnswer answer{.observed_address = request.peer.ip,
                                    .now_unix_ms = *now_unix_ms};
  if (std::optional<std::string> why = refusal_of_source(request.peer.ip); why) {
    answer.may_register = false;
    answer.reason = *std::move(why);
  }
  return json_response(registration::to_json(answer));
}

std::optional<std::string> InfoRoutes::refusal_of_source(std::string const& source) {
  if (parts_.admission == nullptr) return std::nullopt;
  if (auto const banned = parts_.admission->refused_by_ban({}, source); banned)
    return banned->detail;
  std::optional<IpAddress> const address = IpAddress::parse(source);
  if (parts_.tests == nullptr || !address) return std::nullopt;
  switch (parts_.admission->policy().check(*address)) {
    case AddressPolicy::Verdict::Allowed:
      return std::nullopt;
    case AddressPolicy::Verdict::Refused:
      return "this service sees you at a " + std::string(name_of(class_of(*address))) +
             " address, which clients elsewhere cannot reach";
    case AddressPolicy::Verdict::OwnAddress:
      return "this service sees you at an address of its own; its operator can open it with "
             "--probe-allow";
  }
  return std::nullopt;
}

Answer InfoRoutes::nonce() {
  Result<std::string> const fresh = issue_nonce(store_);
  if (!fresh) return store_problem(fresh.error(), ProblemType::Internal);
  HttpResponse response =
      json_response(registration::to_json(registration::NonceAnswer{.nonce = *fresh}));
  response.headers.add("Replay-Nonce", *fresh);
  return response;
}

HttpResponse InfoRoutes::info() const {
  nlohmann::ordered_json body = {
      {"name", "holdfast-discovery"},
      {"version", version_},
      {"lease", whole_seconds(store_.options().lease)},
      {"public_urls", own_urls_.list()},
      {"routes",
       {"GET|POST /project/{key}/sync", "POST /project/{key}/peers",
        "PUT|GET|DELETE /replicators/{id}", "POST /replicators/{id}/renew",
        "POST /replicators/{id}/projects", "GET /replicators/{id}/assignments", "GET /replicators",
        "GET /whoami", "GET /nonce", "GET /v1/info"}}};
  return json_response(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

HttpResponse InfoRoutes::limits() const {
  RegistrationMode const mode =
      parts_.admission == nullptr ? RegistrationMode::Open : parts_.admission->mode();
  nlohmann::ordered_json body = {
      {"software", "holdfast-discovery/" + version_},
      {"public_urls", own_urls_.list()},
      {"registration", name_of(mode)},
      {"self_test", parts_.tests != nullptr},
      {"lease", whole_seconds(store_.options().lease)},
      {"forget_after", whole_seconds(store_.options().forget_after)},
      {"geoip", {{"on", places_ != nullptr}}},
      {"limits",
       {{"target_bytes", kTargetBytesMax},
        {"header_bytes", kHeaderBytesMax},
        {"registration_bytes", registration::kRegistrationBytesMax},
        {"record_bytes", registration::kSignedRecordBytesMax},
        {"addresses", registration::kAddressesMax},
        {"renew_bytes", registration::kRenewBytesMax},
        {"projects_bytes", registration::kProjectsBytesMax},
        {"batch_keys", registration::kBatchKeysMax},
        {"endpoints", registration::kEndpointsMax},
        {"listed_replicators", registration::kListedReplicatorsMax},
        {"keys_per_replicator", store_.options().projects_per_replicator_max},
        {"hosts_per_key", store_.options().hosts_per_key_max},
        {"wait", kWaitMaxS},
        {"nonce_life", whole_seconds(store_.options().nonce_life)}}}};
  if (places_ != nullptr) body["geoip"]["build_epoch"] = places_->built_unix_s();
  HttpResponse response =
      json_response(body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  response.headers.set("Cache-Control", "public, max-age=300");
  return response;
}

}  // namespace holdfast::discovery
