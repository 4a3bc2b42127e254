#include "discovery/http/operator_routes.h"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "codec/key_text.h"
#include "discovery/http/replicator_info.h"
#include "registration/api.h"

namespace holdfast::discovery {

namespace {

using Json = nlohmann::json;
using registration::ProblemDetails;
using registration::ProblemType;

constexpr std::size_t kOrderBytesMax = 4 * 1024;
constexpr std::size_t kListLimit = 100;
constexpr std::uint64_t kInviteLifeS = 7 * 24 * 3'600;
constexpr std::uint64_t kSecondsMax = 10 * 365 * 24 * 3'600ULL;
constexpr std::uint64_t kKeysMax = 1'000'000'000;
constexpr char kDrainedByOperator[] = "drained by the operator";

/// The body of an order: one JSON object. Everything is asked for by name, and may be absent.
class Order {
 public:
  explicit Order(std::string const& body)
      : object_(body.empty() ? Json::object()
                             : Json::parse(body, nullptr, /*allow_exceptions=*/false)) {}
  bool ok() const { return object_.is_object(); }

  std::string text(char const* name) const {
    auto const found = object_.find(name);
    return found != object_.end() && found->is_string() ? found->get<std::string>() : "";
  }
  bool flag(char const* name, bool otherwise) const {
    auto const found = object_.find(name);
    return found != object_.end() && found->is_boolean() ? found->get<bool>() : otherwise;
  }
  /// Returns: nothing if it is absent, null, no whole number or above `max`.
  std::optional<std::uint64_t> number(char const* name, std::uint64_t max) const {
    auto const found = object_.find(name);
    if (found == object_.end() || !found->is_number_unsigned()) return std::nullopt;
    auto const value = found->get<std::uint64_t>();
    return value <= max ? std::optional(value) : std::nullopt;
  }
  bool has(char const* name) const { return object_.contains(name) && !object_.at(name).is_null(); }

 private:
  Json object_;
};

ProblemDetails malformed(std::string detail) {
  return problem_document(ProblemType::MalformedRequest, std::move(detail));
}

Answer dumped(Json const& body) {
  return json_response(body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Answer done(Result<void> const& result) {
  if (!result) return store_problem(result.error(), ProblemType::NotFound);
  HttpResponse response;
  response.status = 204;
  return response;
}

Duration seconds(std::uint64_t count) {
  return std::chrono::seconds(static_cast<std::chrono::seconds::rep>(count));
}

char const* name_of(SelfTest test) {
  switch (test) {
    case SelfTest::Pending:
      return "pending";
    case SelfTest::Passed:
      return "passed";
    case SelfTest::Failed:
      return "failed";
  }
  return "";
}

/// What everybody may see, and the health.
std::optional<Json> to_json(ReplicatorEntry const& entry) {
  Result<registration::ReplicatorInfo> const info = replicator_info(entry);
  if (!info) return std::nullopt;
  Json out = Json::parse(registration::to_json(*info), nullptr, /*allow_exceptions=*/false);
  out["health"] = {{"self_test", name_of(entry.health.self_test)},
                   {"is_out", entry.health.is_out},
                   {"fails_in_row", entry.health.fails_in_row},
                   {"passes_in_row", entry.health.passes_in_row},
                   {"last_pass_unix_ms", entry.health.last_pass_unix_ms},
                   {"transcript", entry.health.transcript}};
  return out;
}

}  // namespace

void OperatorRoutes::add_routes(Router& router) {
  using Handler = Answer (OperatorRoutes::*)(HttpRequest const&);
  auto const handled = [this](Handler handler) {
    return [this, handler](HttpRequest const& request) -> HttpOutcome {
      return to_response((this->*handler)(request));
    };
  };
  router.add("GET", "/operator/replicators", handled(&OperatorRoutes::list));
  router.add("GET", "/operator/replicators/{id}", handled(&OperatorRoutes::find));
  router.add("GET", "/operator/bans",
             [this](HttpRequest const&) -> HttpOutcome { return to_response(bans()); });
  router.add("GET", "/operator/trace/{key}",
             [this](HttpRequest const& request) { return trace(request); });
  RouteOptions const order{.body_bytes_max = kOrderBytesMax};
  router.add("POST", "/operator/ban", handled(&OperatorRoutes::ban), order);
  router.add("POST", "/operator/unban", handled(&OperatorRoutes::unban), order);
  router.add("POST", "/operator/drain", handled(&OperatorRoutes::drain), order);
  router.add("POST", "/operator/quota", handled(&OperatorRoutes::quota), order);
  router.add("POST", "/operator/invite", handled(&OperatorRoutes::invite), order);
}

Answer OperatorRoutes::list(HttpRequest const& request) {
  std::optional<PublicKey> after;
  if (std::optional<std::string> const text = request.query_value("after"); text) {
    Result<PublicKey> const id = parse_key_as<PublicKey>(*text);
    if (!id) return malformed("after is an id");
    after = *id;
  }
  std::uint64_t const limit =
      number_in(request.query_value("limit").value_or(""), registration::kListedReplicatorsMax)
          .value_or(kListLimit);
  if (limit == 0) return malformed("limit is 1 to 1000");
  Result<std::vector<ReplicatorEntry>> const entries = store_.list(after, limit);
  if (!entries) return store_problem(entries.error(), ProblemType::UnknownReplicator);
  Json replicators = Json::array();
  for (ReplicatorEntry const& entry : *entries) {
    if (std::optional<Json> one = to_json(entry); one) replicators.push_back(*std::move(one));
  }
  Json out = {{"replicators", std::move(replicators)}};
  if (entries->size() == limit) out["next"] = entries->back().id.hex();
  return dumped(out);
}

Answer OperatorRoutes::find(HttpRequest const& request) {
  Result<PublicKey> const id = parse_key_as<PublicKey>(request.params.at("id"));
  if (!id) return malformed("an id is 64 hex digits or 52 z-base-32 characters");
  Result<ReplicatorEntry> const entry = store_.find(*id);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownReplicator);
  std::optional<Json> const out = to_json(*entry);
  if (!out) return problem_document(ProblemType::Internal, "the stored record cannot be read");
  return dumped(*out);
}

Answer OperatorRoutes::bans() {
  Json out = Json::array();
  for (Admission::Ban const& ban : admission_.bans()) {
    Json one = {{"what", ban.what}, {"reason", ban.reason}};
    if (ban.left) one["expires_in"] = whole_seconds(*ban.left);
    out.push_back(std::move(one));
  }
  return dumped({{"bans", std::move(out)}});
}

Answer OperatorRoutes::ban(HttpRequest const& request) {
  Order const order(request.body);
  std::optional<std::uint64_t> const life = order.number("seconds", kSecondsMax);
  if (!order.ok() || order.text("what").empty()) return malformed("what is to be banned?");
  if (order.has("seconds") && !life) return malformed("seconds is a whole number");
  return done(admission_.ban(order.text("what"), order.text("reason"),
                             life ? std::optional(seconds(*life)) : std::nullopt));
}

Answer OperatorRoutes::unban(HttpRequest const& request) {
  Order const order(request.body);
  if (!order.ok() || order.text("what").empty()) return malformed("what is banned no longer?");
  Result<void> const unbanned = admission_.unban(order.text("what"));
  if (!unbanned && unbanned.error().code == ErrorCode::NotFound)
    return problem_document(ProblemType::NotFound, unbanned.error().detail);
  return done(unbanned);
}

Answer OperatorRoutes::drain(HttpRequest const& request) {
  Order const order(request.body);
  if (!order.ok()) return malformed("one JSON object is wanted");
  Result<PublicKey> const id = parse_key_as<PublicKey>(order.text("id"));
  if (!id) return malformed("an id is 64 hex digits or 52 z-base-32 characters");
  bool const drain = order.flag("drain", true);
  Result<ReplicatorEntry> const entry = store_.find(*id);
  if (!entry) return store_problem(entry.error(), ProblemType::UnknownReplicator);
  if (Result<void> const set = admission_.set_drained(*id, drain); !set) return done(set);
  // Its state changes with its next renewal, because only it can promise a lease; until then it counts as out.
  Health health = entry->health;
  bool const was_drained = health.is_out && health.transcript == kDrainedByOperator;
  if (drain) {
    health.is_out = true;
    health.transcript = kDrainedByOperator;
  } else if (was_drained) {
    health.is_out = false;
    health.transcript.clear();
  }
  return done(store_.set_health(*id, health));
}

Answer OperatorRoutes::quota(HttpRequest const& request) {
  Order const order(request.body);
  if (!order.ok()) return malformed("one JSON object is wanted");
  Result<PublicKey> const id = parse_key_as<PublicKey>(order.text("id"));
  if (!id) return malformed("an id is 64 hex digits or 52 z-base-32 characters");
  std::optional<std::uint64_t> const keys = order.number("keys", kKeysMax);
  if (order.has("keys") && !keys) return malformed("keys is a whole number");
  return done(admission_.set_quota(*id, keys));
}

Answer OperatorRoutes::invite(HttpRequest const& request) {
  Order const order(request.body);
  std::uint64_t const life = order.ok() ? order.number("seconds", kSecondsMax).value_or(0) : 0;
  if (!order.ok() || (order.has("seconds") && life == 0))
    return malformed("seconds is a whole number above 0");
  Result<std::string> const code = admission_.invite(seconds(life == 0 ? kInviteLifeS : life));
  if (!code) return store_problem(code.error(), ProblemType::NotFound);
  return dumped({{"invite", *code}, {"expires_in", life == 0 ? kInviteLifeS : life}});
}

HttpOutcome OperatorRoutes::trace(HttpRequest const& request) {
  HttpRequest lookup;
  lookup.method = "GET";
  lookup.path = "/project/" + request.params.at("key") + "/sync";
  lookup.target = lookup.path + "?trace=1";
  lookup.query = request.query;
  lookup.query.emplace("trace", "1");
  lookup.peer = request.peer;
  lookup.call = request.call;
  return trace_(lookup);
}

}  // namespace holdfast::discovery
