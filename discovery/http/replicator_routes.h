#pragma once

#include <utility>

#include "crypto/keys.h"
#include "discovery/http/answers.h"
#include "discovery/http/observer.h"
#include "discovery/http/own_urls.h"
#include "discovery/registry/record_store.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// What replicators write: register, renew, projects, leave.
///
/// Rules:
///  1. A write counts only if the replicator of the path signed this very request for one of our own URLs, with a nonce
///     that was never used. The signature is checked before the nonce is spent. Why: else a stranger could use up the
///     nonces of others.
///  2. Every answer to a write carries a fresh Replay-Nonce, errors too.
///
/// Thread-safety: all handlers may run at once; the state is the store's.
class ReplicatorRoutes {
 public:
  /// `store` and `observer` must outlive this.
  ReplicatorRoutes(RecordStore& store, OwnUrls own_urls, ApiObserver& observer)
      : store_(store), own_urls_(std::move(own_urls)), observer_(observer) {}

  void add_routes(Router& router);

 private:
  using Write = Answer (ReplicatorRoutes::*)(HttpRequest const&, PublicKey const&);

  /// Rules 1 and 2 around `write`.
  HttpOutcome authenticated(HttpRequest const& request, WriteRoute route, Write write);
  Answer check_and_write(HttpRequest const& request, Write write);

  Answer put(HttpRequest const& request, PublicKey const& id);
  Answer renew(HttpRequest const& request, PublicKey const& id);
  Answer change_projects(HttpRequest const& request, PublicKey const& id);
  Answer deregister(HttpRequest const& request, PublicKey const& id);

  RecordStore& store_;
  OwnUrls own_urls_;
  ApiObserver& observer_;
};

}  // namespace holdfast::discovery
