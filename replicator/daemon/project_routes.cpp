#include "replicator/daemon/project_routes.h"

#include <nlohmann/json.hpp>

#include "codec/key_text.h"
#include "serve/problem.h"

namespace holdfast::replicator {

namespace {

constexpr std::size_t kBodyBytesMax = 4'096;

HttpResponse json_response(int status, nlohmann::json const& body) {
  HttpResponse response;
  response.status = status;
  response.body = body.dump() + "\n";
  return response;
}

/// Errors: Malformed.
Result<CoreKey> key_of_body(std::string const& body) {
  nlohmann::json const json = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("key") || !json["key"].is_string()) {
    return Unexpected(ErrorCode::Malformed, "the body must be {\"key\": CORE_KEY}");
  }
  return parse_key_as<CoreKey>(json["key"].get<std::string>());
}

HttpResponse refuse(Error const& error) {
  return to_response(error.code == ErrorCode::Malformed
                         ? bad_request(error.detail)
                         : unavailable(error.detail, std::chrono::seconds(10)));
}

HttpResponse list(Projects const& projects, net::EngineHost& host) {
  nlohmann::json items = nlohmann::json::array();
  for (CoreKey const& root : projects.roots()) {
    nlohmann::json item = {{"discovery_key", discovery_key_of(root).hex()},
                           {"cores", 1 + projects.members(root).size()}};
    if (std::optional<sync::CoreStatus> const status = host.status(root)) {
      item["length"] = status->length;
      item["contiguous_length"] = status->contiguous_length;
      item["fork"] = status->fork;
      item["channels"] = status->channels;
    }
    items.push_back(std::move(item));
  }
  return json_response(200, {{"projects", std::move(items)}});
}

HttpResponse add(ProjectKeeper& keeper, HttpRequest const& request) {
  Result<CoreKey> const key = key_of_body(request.body);
  if (!key) return refuse(key.error());
  Result<bool> const added = keeper.add_project(*key);
  if (!added) return refuse(added.error());
  return json_response(*added ? 201 : 200, {{"discovery_key", discovery_key_of(*key).hex()}});
}

HttpResponse remove(ProjectKeeper& keeper, Result<CoreKey> const& key) {
  if (!key) return refuse(key.error());
  Result<bool> const removed = keeper.remove_project(*key);
  if (!removed) return refuse(removed.error());
  if (!*removed)
    return to_response({.status = 404,
                        .type = "unknown-project",
                        .title = "Unknown project",
                        .detail = "this project is not hosted here"});
  HttpResponse response;
  response.status = 204;
  return response;
}

}  // namespace

void add_project_routes(Router& router, ProjectKeeper& keeper, Projects const& projects,
                        net::EngineHost& host) {
  router.add("GET", "/projects", [&](HttpRequest const&) { return list(projects, host); });
  router.add("POST", "/projects", [&](HttpRequest const& request) { return add(keeper, request); },
             {.body_bytes_max = kBodyBytesMax, .cors = false});
  router.add("DELETE", "/projects",
             [&](HttpRequest const& request) { return remove(keeper, key_of_body(request.body)); },
             {.body_bytes_max = kBodyBytesMax, .cors = false});
  router.add("DELETE", "/projects/{key}", [&](HttpRequest const& request) {
    return remove(keeper, parse_key_as<CoreKey>(request.params.at("key")));
  });
}

}  // namespace holdfast::replicator
