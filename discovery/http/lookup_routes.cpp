#include "discovery/http/lookup_routes.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "codec/key_text.h"
#include "discovery/http/answers.h"
#include "discovery/http/lookup_answers.h"

namespace holdfast::discovery {

namespace {

using registration::ProblemType;

constexpr std::size_t kIgnoredBodyBytesMax = 4 * 1024;
/// The store answers or fails within 300 ms; a queue may be before it.
constexpr Duration kFetchWait{1'000};
constexpr std::string_view kUnknownCache = "public, max-age=2";

void refuse_fast(RateBudget const& budget, RateVerdict const& verdict, FastResponse& response) {
  HttpResponse const refusal = rate_limited_response(RateKind::Found, budget, verdict);
  response.status = refusal.status;
  response.body = refusal.body;
  response.content_type = registration::kProblemContentType;
  for (auto const& [name, value] : refusal.headers.fields()) {
    response.headers.append(name).append(": ").append(value).append("\r\n");
  }
}

CacheScope scope_of(LookupRequest const& lookup) {
  return lookup.is_guessed ? CacheScope::Private : CacheScope::Public;
}

}  // namespace

void LookupRoutes::add_routes(Router& router) {
  auto const sync = [this](HttpRequest const& request) { return answer(request); };
  router.add("GET", "/project/{key}/sync", sync,
             {.body_bytes_max = 0, .cors = true, .on_loop = true});
  router.add("POST", "/project/{key}/sync", sync,
             {.body_bytes_max = kIgnoredBodyBytesMax, .cors = true, .on_loop = true});
  router.add_fast("GET", "/project/{key}/sync",
                  [this](FastRequest const& request, FastResponse& response) {
                    return answer_fast(request, response);
                  });
}

FastOutcome LookupRoutes::answer_fast(FastRequest const& request, FastResponse& response) {
  std::optional<LookupRequest> lookup = read_plain_lookup(request.param, request.query);
  if (!lookup) return FastOutcome::UseGeneralPath;
  guess_region(request.peer, *lookup);
  Instant const now = parts_.clock();
  DirectoryAnswer const answer = parts_.directory.look_up_here(lookup->query, now, response.body);
  if (answer.status != DirectoryStatus::Found) return FastOutcome::UseGeneralPath;
  RateVerdict const verdict = parts_.limiter.charge(request.peer.address, RateKind::Found, now);
  if (verdict.is_refused) {
    refuse_fast(parts_.limiter.budgets().found, verdict, response);
    parts_.observer.on_lookup(ProblemType::RateLimited);
    return FastOutcome::Answered;
  }
  std::optional<std::string_view> const known = request.header("If-None-Match");
  bool const is_not_modified = known && matches_etag(*known, answer.hash);
  if (is_not_modified) {
    response.status = 304;
    response.body.clear();
  }
  append_found_headers(answer, scope_of(*lookup), is_not_modified, response.headers);
  parts_.observer.on_lookup(std::nullopt);
  return FastOutcome::Answered;
}

HttpOutcome LookupRoutes::answer(HttpRequest const& request) {
  Instant const now = parts_.clock();
  LookupRequest lookup;
  std::optional<std::string> wrong;
  Result<DiscoveryKey> const key = parse_key_as<DiscoveryKey>(request.params.at("key"));
  if (key) {
    lookup.query.key = *key;
    wrong = read_lookup_query(request, lookup);
  }
  if (!key || wrong) {
    std::optional<HttpResponse> too_many = over_budget(request, RateKind::NotFound, now);
    ProblemType const type = key ? ProblemType::MalformedRequest : ProblemType::MalformedKey;
    parts_.observer.on_lookup(too_many ? ProblemType::RateLimited : type);
    if (too_many) return *std::move(too_many);
    return problem_response(
        problem_document(type, key ? *wrong : "a key is 64 hex digits or 52 z-base-32 characters"));
  }
  guess_region(request.peer, lookup);
  return look(request, lookup, now);
}

void LookupRoutes::guess_region(PeerAddress const& peer, LookupRequest& lookup) const {
  if (parts_.places == nullptr || lookup.has_region) return;
  lookup.is_guessed = true;
  if (peer.address) lookup.query.region.guessed = parts_.places->place_of(*peer.address);
}

HttpOutcome LookupRoutes::look(HttpRequest const& request, LookupRequest const& lookup,
                               Instant now) {
  std::string body;
  DirectoryAnswer const answer = parts_.directory.look_up(lookup.query, now, body);
  if (answer.status == DirectoryStatus::Fetch || answer.status == DirectoryStatus::Wait) {
    return hold(request, lookup, answer, now);
  }
  if (answer.status == DirectoryStatus::UnknownKey) {
    if (std::optional<HttpOutcome> outcome = activate(request, lookup, now); outcome) {
      return *std::move(outcome);
    }
  }
  bool const is_found = answer.status == DirectoryStatus::Found;
  if (lookup.with_peers && request.call != Call::Deadline &&
      !parts_.fetcher.peers(lookup.query.key) &&
      (is_found || answer.status == DirectoryStatus::UnknownKey ||
       answer.status == DirectoryStatus::NobodyCanServe) &&
      parts_.fetcher.fetch_peers(lookup.query.key)) {
    return wait_for(request, lookup, now);
  }
  std::optional<HttpResponse> too_many =
      over_budget(request, is_found ? RateKind::Found : RateKind::NotFound, now);
  if (too_many) {
    parts_.observer.on_lookup(ProblemType::RateLimited);
    return *std::move(too_many);
  }
  return is_found ? found(request, lookup, answer, std::move(body), now)
                  : refused(request, lookup, answer, now);
}

HttpOutcome LookupRoutes::hold(HttpRequest const& request, LookupRequest const& lookup,
                               DirectoryAnswer const& answer, Instant now) {
  bool const is_mine = answer.status == DirectoryStatus::Fetch;
  if (request.call == Call::First) {
    // What misses costs the store a round trip: only within the budget for keys that are not found.
    RateVerdict const verdict = parts_.limiter.peek(request.peer.address, RateKind::NotFound, now);
    if (verdict.is_refused) {
      if (is_mine) parts_.directory.abandon(answer.token);
      parts_.limiter.charge(request.peer.address, RateKind::NotFound, now);  // To count it.
      parts_.observer.on_lookup(ProblemType::RateLimited);
      return rate_limited_response(RateKind::NotFound,
                                   parts_.limiter.budgets().of(RateKind::NotFound), verdict);
    }
  }
  bool const may_be_held = request.call != Call::Deadline;
  if (is_mine && (!may_be_held || !parts_.fetcher.fetch(answer.token))) {
    parts_.directory.abandon(answer.token);
    DirectoryAnswer overloaded;
    overloaded.status = DirectoryStatus::Overloaded;
    return refused(request, lookup, overloaded, now);
  }
  if (!may_be_held) return refused(request, lookup, answer, now);
  return wait_for(request, lookup, now);
}

std::optional<HttpOutcome> LookupRoutes::activate(HttpRequest const& request,
                                                  LookupRequest const& lookup, Instant now) {
  // A volunteer has no proof by a keyholder before it was given the key.
  if (parts_.activator == nullptr || lookup.query.keyholder) return std::nullopt;
  DirectoryAnswer answer;
  switch (parts_.activator->begin(lookup.query.key, lookup.query.region, request)) {
    case Activator::Begun::NotAllowed:
      return std::nullopt;
    case Activator::Begun::Waiting:
      if (request.call != Call::Deadline && lookup.wait > Duration(0)) {
        return wait_for(request, lookup, now);
      }
      answer.status = DirectoryStatus::BeingTakenOn;
      break;
    case Activator::Begun::Resting:
      answer.status = DirectoryStatus::BeingTakenOn;
      break;
    case Activator::Begun::OverBudget:
      parts_.observer.on_lookup(ProblemType::RateLimited);
      return rate_limited_response(
          RateKind::NewKey, parts_.limiter.budgets().of(RateKind::NewKey),
          parts_.limiter.peek(request.peer.address, RateKind::NewKey, now));
    case Activator::Begun::Overloaded:
      answer.status = DirectoryStatus::Overloaded;
      break;
  }
  return refused(request, lookup, answer, now);
}

HttpOutcome LookupRoutes::wait_for(HttpRequest const& request, LookupRequest const& lookup,
                                   Instant now) {
  if (request.call == Call::First && !parts_.limiter.begin_wait(request.peer.address, now)) {
    parts_.observer.on_lookup(ProblemType::RateLimited);
    RateVerdict const verdict{.is_refused = true, .retry_after = Duration(1'000)};
    return rate_limited_response(RateKind::NotFound,
                                 parts_.limiter.budgets().of(RateKind::NotFound), verdict);
  }
  bool const may_activate = parts_.activator != nullptr && !lookup.query.keyholder;
  return WaitFor{lookup_event(lookup.query.key),
                 may_activate ? std::max(lookup.wait, kFetchWait) : kFetchWait};
}

void LookupRoutes::end_wait(HttpRequest const& request, Instant now) {
  if (request.call != Call::First) parts_.limiter.end_wait(request.peer.address, now);
}

std::optional<HttpResponse> LookupRoutes::over_budget(HttpRequest const& request, RateKind kind,
                                                      Instant now) {
  RateVerdict const verdict = parts_.limiter.charge(request.peer.address, kind, now);
  if (!verdict.is_refused || request.call != Call::First) return std::nullopt;
  return rate_limited_response(kind, parts_.limiter.budgets().of(kind), verdict);
}

HttpResponse LookupRoutes::found(HttpRequest const& request, LookupRequest const& lookup,
                                 DirectoryAnswer const& answer, std::string body, Instant now) {
  end_wait(request, now);
  parts_.observer.on_lookup(std::nullopt);
  HttpResponse response;
  if (lookup.with_trace || lookup.with_peers) {
    response.body = std::move(body);
    response.headers.add("Cache-Control", "no-store");
    if (lookup.with_trace) add_trace(lookup, now, response.body);
    if (lookup.with_peers) {
      add_json_member(
          response.body, "peers",
          to_json(parts_.fetcher.peers(lookup.query.key).value_or(std::vector<PeerEndpoint>{})));
    }
    return response;
  }
  std::optional<std::string_view> const known = request.headers.get("If-None-Match");
  bool const is_not_modified =
      known && request.method == "GET" && matches_etag(*known, answer.hash);
  if (is_not_modified) {
    response.status = 304;
  } else {
    response.body = std::move(body);
  }
  std::string lines;
  append_found_headers(answer, scope_of(lookup), is_not_modified, lines);
  add_header_lines(response, lines);
  return response;
}

void LookupRoutes::add_trace(LookupRequest const& lookup, Instant now, std::string& body) {
  if (lookup.is_guessed)
    add_json_member(body, "client_region", to_json(lookup.query.region.guessed));
  add_json_member(body, "trace", to_json(parts_.directory.trace(lookup.query, now)));
}

HttpResponse LookupRoutes::refused(HttpRequest const& request, LookupRequest const& lookup,
                                   DirectoryAnswer const& answer, Instant now) {
  end_wait(request, now);
  SystemRng rng;
  registration::ProblemDetails const problem = lookup_problem(answer, parts_.lease, rng);
  bool const is_unknown = answer.status == DirectoryStatus::UnknownKey;
  if (lookup.with_peers && (is_unknown || answer.status == DirectoryStatus::NobodyCanServe)) {
    std::vector<PeerEndpoint> const peers =
        parts_.fetcher.peers(lookup.query.key).value_or(std::vector<PeerEndpoint>{});
    if (!peers.empty()) {
      parts_.observer.on_lookup(std::nullopt);
      return json_response(R"({"endpoints":[],"peers":)" + to_json(peers) + '}');
    }
  }
  parts_.observer.on_lookup(problem.type);
  HttpResponse response = problem_response(problem);
  if (lookup.with_trace) {
    add_trace(lookup, now, response.body);
  } else if (is_unknown && parts_.activator == nullptr) {
    response.headers.set("Cache-Control", std::string(kUnknownCache));
  }
  return response;
}

}  // namespace holdfast::discovery
