#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "discovery/geo/geo_places.h"
#include "discovery/http/api.h"
#include "discovery/http/lookup_service.h"
#include "discovery/http/operator_routes.h"
#include "discovery/http/own_urls.h"
#include "discovery/registry/record_store.h"
#include "discovery/registry/watcher_fan.h"
#include "discovery/server/activations.h"
#include "discovery/server/metrics.h"
#include "discovery/server/registrations.h"
#include "discovery/server/settings.h"
#include "discovery/server/ticket_sharing.h"
#include "serve/admin.h"
#include "serve/router.h"
#include "serve/server.h"

namespace holdfast::discovery {

/// The service, put together: store, API, public listener, admin listener. One thread starts and stops it.
class App {
 public:
  explicit App(Settings settings);
  ~App();

  /// Opens everything and prints the lines that scripts wait for. A store that does not answer is no reason not to
  /// start: /readyz says so, and the API answers 503.
  /// Errors: one sentence for stderr.
  Result<void> start();

  /// Reads certificate and lists again; what cannot be read stays as it was and is logged.
  void reload();

  /// Not ready, no new connections, requests in hand finished within the grace, closed.
  void drain();

 private:
  Result<void> open_store();
  Result<void> open_bare_store();
  Result<CertificateFiles> certificate(OwnUrls const& own_urls) const;
  Result<OwnUrls> start_public();
  Result<ServerOptions> server_options(OwnUrls const& own_urls) const;
  Result<void> share_tickets();
  Result<void> start_admin();
  std::string metrics_text() const;
  bool store_answers() const;
  /// Errors: Malformed, NotFound (lists and tokens).
  Result<void> open_lookups();
  void log_places(Result<void> const& read) const;
  /// Errors: those of GeoFile::open().
  Result<void> open_places();
  void notify(std::string const& event);

  Settings settings_;
  std::atomic<bool> draining_{false};
  Metrics metrics_;
  std::unique_ptr<WatcherFan> watchers_;
  std::unique_ptr<RecordStore> store_;
  std::unique_ptr<GeoPlaces> places_;  ///< Null without --geoip.
  std::unique_ptr<LookupService> lookups_;
  std::unique_ptr<Activations> activations_;
  Router router_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<OperatorRoutes> operator_;
  std::unique_ptr<HttpServer> public_;
  std::atomic<HttpServer*> notified_{nullptr};  ///< `public_` while it can be notified.
  std::unique_ptr<TicketSharing> tickets_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<Registrations> registrations_;  ///< Last: its threads use all the others.
};

}  // namespace holdfast::discovery
