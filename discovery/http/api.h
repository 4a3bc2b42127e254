#pragma once

#include <string>

#include "discovery/http/assignment_routes.h"
#include "discovery/http/info_routes.h"
#include "discovery/http/observer.h"
#include "discovery/http/own_urls.h"
#include "discovery/http/replicator_routes.h"
#include "discovery/registry/record_store.h"
#include "discovery/registry/region.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// The discovery API (docs/formats/discovery-api.md) as plain functions from request to response, over a RecordStore;
/// put together from one class for each group of routes. Look-ups are LookupService's.
///
/// Rules for all of them:
///  1. Keys that are asked for are neither stored nor logged nor repeated in an error.
///  2. A store that does not answer is 503 with Retry-After on every route that needs it.
///
/// Thread-safety: all handlers may run at once; the state is the store's.
class Api {
 public:
  /// `store`, `observer` and what `parts` names must outlive this. `version`: for GET /.
  Api(RecordStore& store, OwnUrls const& own_urls, ApiObserver& observer, std::string version,
      RegistrationParts parts = {});

  /// Before add_routes(). Null: regions are not guessed.
  void set_places(ClientPlaces const* places) { info_.set_places(places); }
  void add_routes(Router& router);

 private:
  ReplicatorRoutes replicators_;
  AssignmentRoutes assignments_;
  InfoRoutes info_;
};

}  // namespace holdfast::discovery
