#pragma once

#include <string>
#include <utility>

#include "crypto/keys.h"
#include "discovery/http/answers.h"
#include "discovery/http/own_urls.h"
#include "discovery/registry/record_store.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// The event that a held request of this replicator waits for.
std::string assignment_event(PublicKey const& id);

/// GET /replicators/{id}/assignments?after=CURSOR&wait=S: how volunteers, also behind NAT, hear of keys to take on.
///
/// Rules:
///  1. Signed like a write, with a nonce. Why: what a replicator is assigned is nobody else's business.
///  2. While there is nothing the request is held for at most `wait` seconds (0 to 60) and answered when
///     assignment_event() is notified.
/// Thread-safety: all handlers may run at once; the state is the store's.
class AssignmentRoutes {
 public:
  /// `store` must outlive this.
  AssignmentRoutes(RecordStore& store, OwnUrls own_urls)
      : store_(store), own_urls_(std::move(own_urls)) {}

  void add_routes(Router& router);

 private:
  HttpOutcome assignments(HttpRequest const& request);
  /// Rule 1. Returns: the problem, or nothing.
  std::optional<registration::ProblemDetails> refusal(HttpRequest const& request,
                                                      PublicKey const& id);

  RecordStore& store_;
  OwnUrls own_urls_;
};

}  // namespace holdfast::discovery
