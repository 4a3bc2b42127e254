#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/time.h"
#include "discovery/directory/directory.h"
#include "discovery/http/lookup_fetcher.h"
#include "discovery/http/lookup_request.h"
#include "discovery/http/observer.h"
#include "discovery/http/rate_limiter.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// What to do about a key that nobody hosts.
class Activator {
 public:
  enum class Begun : std::uint8_t {
    NotAllowed,  ///< New keys are not taken (from this client): 404.
    Waiting,  ///< Somebody is being asked: the request is held, and looked at again when the key's hosting set changes.
    Resting,  ///< That failed a moment ago: 503.
    Overloaded,  ///< Too many at once: 503.
    OverBudget,  ///< Too many new keys from this client network: 429.
  };
  virtual ~Activator() = default;
  /// Called on an event loop for each request and each time it is looked at again; must not block.
  virtual Begun begin(DiscoveryKey const& key, RegionWish const& region,
                      HttpRequest const& request) = 0;
};

/// GET and POST /project/{key}/sync, on the event loop.
///
/// Rules:
///  1. What is in memory is answered at once; a plain GET of it without passing through the HTTP library.
///  2. What is not is fetched by LookupFetcher while the request is held; an overload is 503 at once.
///  3. Both ways give the same answer, byte for byte but for the seconds that pass.
///  4. Keys that are asked for are neither stored (but as names of hosting sets) nor logged nor repeated in an error.
/// Thread-safety: all handlers may run at once.
class LookupRoutes {
 public:
  struct Parts {
    Directory& directory;
    LookupFetcher& fetcher;
    RateLimiter& limiter;
    ApiObserver& observer;
    Duration lease;
    std::function<Instant()> clock;
    ClientPlaces const* places = nullptr;  ///< Null: regions are not guessed.
    Activator* activator = nullptr;
  };
  /// What `parts` names must outlive this.
  explicit LookupRoutes(Parts parts) : parts_(std::move(parts)) {}

  /// Before requests come. Null: unknown keys stay unknown.
  void set_activator(Activator* activator) { parts_.activator = activator; }
  void add_routes(Router& router);

 private:
  FastOutcome answer_fast(FastRequest const& request, FastResponse& response);
  HttpOutcome answer(HttpRequest const& request);
  HttpOutcome look(HttpRequest const& request, LookupRequest const& lookup, Instant now);
  /// Fetch or Wait: hold the request, unless it may not be held (any longer).
  HttpOutcome hold(HttpRequest const& request, LookupRequest const& lookup,
                   DirectoryAnswer const& answer, Instant now);
  /// Where the client seems to be, unless it said where it wants its endpoints.
  void guess_region(PeerAddress const& peer, LookupRequest& lookup) const;
  /// UnknownKey: see whether somebody takes it on. Returns: nothing if it stays unknown.
  std::optional<HttpOutcome> activate(HttpRequest const& request, LookupRequest const& lookup,
                                      Instant now);
  HttpResponse found(HttpRequest const& request, LookupRequest const& lookup,
                     DirectoryAnswer const& answer, std::string body, Instant now);
  HttpResponse refused(HttpRequest const& request, LookupRequest const& lookup,
                       DirectoryAnswer const& answer, Instant now);
  /// Puts what was guessed and why each host is or is not given into the JSON object `body`.
  void add_trace(LookupRequest const& lookup, Instant now, std::string& body);
  /// Charges a budget. Returns: the 429, if it is used up and the request was not held before.
  std::optional<HttpResponse> over_budget(HttpRequest const& request, RateKind kind, Instant now);
  HttpOutcome wait_for(HttpRequest const& request, LookupRequest const& lookup, Instant now);
  void end_wait(HttpRequest const& request, Instant now);

  Parts parts_;
};

}  // namespace holdfast::discovery
