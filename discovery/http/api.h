#pragma once

#include <string>
#include <variant>

#include "crypto/keys.h"
#include "discovery/http/observer.h"
#include "discovery/http/own_urls.h"
#include "discovery/registry/record_store.h"
#include "registration/problem.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// The discovery API (docs/formats/discovery-api.md) as plain functions from request to response, over a RecordStore.
///
/// Rules:
///  1. A write counts only if the replicator of the path signed this very request for one of our own URLs, with a nonce
///     that was never used. The signature is checked before the nonce is spent. Why: else a stranger could use up the
///     nonces of others.
///  2. Every answer to a write carries a fresh Replay-Nonce, errors too.
///  3. Keys that are asked for are neither stored nor logged nor repeated in an error.
///  4. No answer may be cached: `expires_in` counts from the moment of the answer.
///  5. A store that does not answer is 503 with Retry-After on every route that needs it.
///
/// Thread-safety: all handlers may run at once; the state is the store's.
class Api {
 public:
  /// All must outlive this. `version`: for GET /.
  Api(RecordStore& store, OwnUrls own_urls, ApiObserver& observer, std::string version);

  void add_routes(Router& router);

 private:
  using Answer = std::variant<HttpResponse, registration::ProblemDetails>;
  using Write = Answer (Api::*)(HttpRequest const&, PublicKey const&);

  HttpOutcome lookup(HttpRequest const& request);
  Answer look_up_key(HttpRequest const& request);
  /// Rules 1 and 2 around `write`.
  HttpOutcome authenticated(HttpRequest const& request, WriteRoute route, Write write);
  Answer check_and_write(HttpRequest const& request, Write write);

  Answer put(HttpRequest const& request, PublicKey const& id);
  Answer renew(HttpRequest const& request, PublicKey const& id);
  Answer change_projects(HttpRequest const& request, PublicKey const& id);
  Answer deregister(HttpRequest const& request, PublicKey const& id);

  Answer find_replicator(HttpRequest const& request);
  Answer list_replicators(HttpRequest const& request);
  Answer whoami(HttpRequest const& request);
  Answer nonce();
  HttpResponse info() const;

  RecordStore& store_;
  OwnUrls own_urls_;
  ApiObserver& observer_;
  std::string version_;
};

}  // namespace holdfast::discovery
