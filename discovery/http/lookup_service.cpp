#include "discovery/http/lookup_service.h"

#include <utility>

namespace holdfast::discovery {

namespace {

constexpr std::size_t kTalkers = 5;

DirectoryOptions with_lease(DirectoryOptions options, Duration lease) {
  options.lease = lease;
  return options;
}

}  // namespace

LookupService::LookupService(RecordStore& store, ApiObserver& observer,
                             LookupServiceOptions const& options, LookupFetcher::Notify notify,
                             std::function<Instant()> const& clock)
    : clock_(clock),
      directory_(with_lease(options.directory, store.options().lease), clock),
      limiter_(options.limits),
      fetcher_(store, directory_, options.fetcher, std::move(notify), clock),
      routes_({.directory = directory_,
               .fetcher = fetcher_,
               .limiter = limiter_,
               .observer = observer,
               .lease = store.options().lease,
               .clock = clock,
               .places = options.places}),
      peers_(store, limiter_, clock) {}

LookupFigures LookupService::figures() {
  return {.directory = directory_.counters(),
          .replicators = fetcher_.replicators(),
          .rates = limiter_.counters(),
          .fetches_refused = fetcher_.refused(),
          .is_degraded = directory_.is_away(),
          .top_talkers = limiter_.top_talkers(kTalkers, clock_())};
}

void LookupService::add_routes(Router& router, Activator* activator) {
  limit_routes(router, limiter_, clock_);
  routes_.set_activator(activator);
  routes_.add_routes(router);
  peers_.add_routes(router);
}

}  // namespace holdfast::discovery
