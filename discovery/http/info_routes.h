#pragma once

#include <optional>
#include <string>
#include <utility>

#include "discovery/http/answers.h"
#include "discovery/http/own_urls.h"
#include "discovery/http/replicator_routes.h"
#include "discovery/registry/record_store.h"
#include "discovery/registry/region.h"
#include "serve/message.h"
#include "serve/router.h"

namespace holdfast::discovery {

/// What the service tells of itself and of the replicators: GET /, /v1/info, /nonce, /whoami, /replicators, /replicators/{id}.
/// Thread-safety: all handlers may run at once; the state is the store's.
class InfoRoutes {
 public:
  /// `store` must outlive this. `version`: for GET /.
  InfoRoutes(RecordStore& store, OwnUrls own_urls, std::string version,
             RegistrationParts parts = {})
      : store_(store),
        own_urls_(std::move(own_urls)),
        version_(std::move(version)),
        parts_(parts) {}

  /// Before requests come. Null: regions are not guessed.
  void set_places(ClientPlaces const* places) { places_ = places; }
  void add_routes(Router& router);

 private:
  Answer find_replicator(HttpRequest const& request);
  Answer list_replicators(HttpRequest const& request);
  Answer whoami(HttpRequest const& request);
  Answer nonce();
  HttpResponse info() const;
  HttpResponse limits() const;
  /// Why nobody could register from `source`, or nothing.
  std::optional<std::string> refusal_of_source(std::string const& source);

  RecordStore& store_;
  OwnUrls own_urls_;
  std::string version_;
  RegistrationParts parts_;
  ClientPlaces const* places_ = nullptr;
};

}  // namespace holdfast::discovery
