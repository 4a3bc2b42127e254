#include "discovery/http/api.h"

#include <utility>

namespace holdfast::discovery {

Api::Api(RecordStore& store, OwnUrls const& own_urls, ApiObserver& observer, std::string version,
         RegistrationParts parts)
    : replicators_(store, own_urls, observer, parts),
      assignments_(store, own_urls),
      info_(store, own_urls, std::move(version), parts) {}

void Api::add_routes(Router& router) {
  info_.add_routes(router);
  replicators_.add_routes(router);
  assignments_.add_routes(router);
}

}  // namespace holdfast::discovery
