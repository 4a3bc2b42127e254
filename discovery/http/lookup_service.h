#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "discovery/directory/directory.h"
#include "discovery/http/lookup_fetcher.h"
#include "discovery/http/lookup_routes.h"
#include "discovery/http/observer.h"
#include "discovery/http/peer_routes.h"
#include "discovery/http/rate_limiter.h"
#include "discovery/probe/steady_clock.h"
#include "discovery/registry/record_store.h"
#include "discovery/registry/region.h"
#include "serve/router.h"

namespace holdfast::discovery {

struct LookupServiceOptions {
  DirectoryOptions directory{};  ///< `lease` is taken from the store.
  LookupFetcherOptions fetcher{};
  RateLimiterOptions limits{};
  ClientPlaces const* places = nullptr;  ///< Outlives the service; null: regions are not guessed.
};

/// What the look-up path counts.
struct LookupFigures {
  DirectoryCounters directory;
  ReplicatorCounts replicators;
  RateCounters rates;
  std::uint64_t fetches_refused = 0;
  bool is_degraded = false;
  /// Of the five busiest networks in the last full minute, largest first; no addresses.
  std::vector<std::uint64_t> top_talkers;
};

/// The look-up path, put together: memory, fetches, budgets and routes.
///
/// Order of a start: construct, RecordStore::watch() with watchers(), start(), add_routes(). Stop it after the server, and
/// before the store.
class LookupService {
 public:
  /// `store` and `observer` must outlive this. `notify`: the server's notify(); any thread.
  LookupService(RecordStore& store, ApiObserver& observer, LookupServiceOptions const& options,
                LookupFetcher::Notify notify, std::function<Instant()> const& clock = steady_now);

  /// In this order, and before those of others: what they are told of is then known.
  std::vector<StoreWatcher*> watchers() { return {&directory_, &fetcher_}; }
  void start() { fetcher_.start(); }
  void stop() { fetcher_.stop(); }
  /// `activator`: null, or outlives this. Limits the routes that are there already, too.
  void add_routes(Router& router, Activator* activator = nullptr);

  Directory& directory() { return directory_; }
  RateLimiter& limiter() { return limiter_; }
  LookupFetcher const& fetcher() const { return fetcher_; }

  LookupFigures figures();

 private:
  std::function<Instant()> const clock_;
  Directory directory_;
  RateLimiter limiter_;
  LookupFetcher fetcher_;
  LookupRoutes routes_;
  PeerRoutes peers_;
};

}  // namespace holdfast::discovery
