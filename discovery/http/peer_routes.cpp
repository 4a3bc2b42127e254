#include "discovery/http/peer_routes.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "codec/key_text.h"

namespace holdfast::discovery {

namespace {

using Json = nlohmann::json;
using registration::ProblemType;

/// Returns: nothing unless the member is a whole number from 1 to max.
std::optional<std::uint64_t> number_of(Json const& object, char const* name, std::uint64_t max) {
  auto const found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  auto const value = found->get<std::uint64_t>();
  if (value == 0 || value > max) return std::nullopt;
  return value;
}

}  // namespace

Result<PeerAnnouncement> peer_announcement_from_json(std::string_view text) {
  if (text.size() > kPeerBodyBytesMax) return Unexpected(ErrorCode::LimitExceeded, "body too long");
  Json const body = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) return Unexpected(ErrorCode::Malformed, "not a JSON object");
  PeerAnnouncement out;
  std::optional<std::uint64_t> const port = number_of(body, "port", 65'535);
  if (!port) return Unexpected(ErrorCode::Malformed, "port is a number from 1 to 65535");
  out.port = static_cast<std::uint16_t>(*port);
  if (!body.contains("minutes")) return out;
  std::optional<std::uint64_t> const minutes = number_of(body, "minutes", kPeerMinutesMax);
  if (!minutes) return Unexpected(ErrorCode::Malformed, "minutes is a number from 1 to 30");
  out.minutes = *minutes;
  return out;
}

void PeerRoutes::add_routes(Router& router) {
  router.add("POST", "/project/{key}/peers",
             limited(limiter_, RateKind::Write, clock_,
                     [this](HttpRequest const& request) { return to_response(announce(request)); }),
             {.body_bytes_max = kPeerBodyBytesMax, .cors = true});
}

Answer PeerRoutes::announce(HttpRequest const& request) {
  Result<DiscoveryKey> const key = parse_key_as<DiscoveryKey>(request.params.at("key"));
  if (!key) {
    return problem_document(ProblemType::MalformedKey,
                            "a key is 64 hex digits or 52 z-base-32 characters");
  }
  Result<PeerAnnouncement> const body = peer_announcement_from_json(request.body);
  if (!body) return body_problem(body.error());
  Result<HostingSet> const set = store_.hosting_of(*key);
  if (!set) return store_problem(set.error(), ProblemType::UnknownKey);
  if (set->lines.empty()) {
    return problem_document(ProblemType::UnknownKey, "no replicator is registered for this key");
  }
  Duration const life{static_cast<Duration::rep>(body->minutes) * 60'000};
  Result<void> const done = store_.announce_peer(*key, {request.peer.ip, body->port}, life);
  if (!done) return store_problem(done.error(), ProblemType::UnknownKey);
  Json const answer = {
      {"host", request.peer.ip}, {"port", body->port}, {"expires_in", body->minutes * 60}};
  return json_response(answer.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace holdfast::discovery
