#include "discovery/http/lookup_routes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "codec/key_text.h"
#include "discovery/registry/lookup.h"
#include "registration/api.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemType;

constexpr std::size_t kIgnoredBodyBytesMax = 4 * 1024;
constexpr std::uint64_t kWaitMaxS = 60;

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

}  // namespace

void LookupRoutes::add_routes(Router& router) {
  auto const sync = [this](HttpRequest const& request) { return lookup(request); };
  router.add("GET", "/project/{key}/sync", sync, {.body_bytes_max = 0, .cors = true});
  router.add("POST", "/project/{key}/sync", sync,
             {.body_bytes_max = kIgnoredBodyBytesMax, .cors = true});
}

HttpOutcome LookupRoutes::lookup(HttpRequest const& request) {
  Answer answer = look_up_key(request);
  observer_.on_lookup(problem_type(answer));
  return to_response(std::move(answer));
}

Answer LookupRoutes::look_up_key(HttpRequest const& request) {
  LookupQuery query;
  Result<DiscoveryKey> const key = parse_key_as<DiscoveryKey>(request.params.at("key"));
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

}  // namespace holdfast::discovery
