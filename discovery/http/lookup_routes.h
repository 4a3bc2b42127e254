#pragma once

#include "discovery/http/answers.h"
#include "discovery/http/observer.h"
#include "discovery/registry/record_store.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// GET and POST /project/{key}/sync.
/// Keys that are asked for are neither stored nor logged nor repeated in an error.
/// Thread-safety: all handlers may run at once; the state is the store's.
class LookupRoutes {
 public:
  /// Both must outlive this.
  LookupRoutes(RecordStore& store, ApiObserver& observer) : store_(store), observer_(observer) {}

  void add_routes(Router& router);

 private:
  HttpOutcome lookup(HttpRequest const& request);
  Answer look_up_key(HttpRequest const& request);

  RecordStore& store_;
  ApiObserver& observer_;
};

}  // namespace holdfast::discovery
