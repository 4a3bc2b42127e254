#include "discovery/server/app.h"

#include <cstdio>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "discovery/server/list_files.h"
#include "discovery/server/version.h"
#include "discovery/store/memory_store.h"
#include "discovery/store/observed_store.h"
#include "discovery/store/redis_store.h"
#include "serve/state_files.h"

namespace holdfast::discovery {

namespace {

/// The line that scripts wait for.
void print_listening(HostPort const& at, char const* what) {
  std::printf("listening on %s %s\n", to_text(at).c_str(), what);
  std::fflush(stdout);
}

}  // namespace

App::App(Settings settings) : settings_(std::move(settings)), metrics_(kVersion) {}

/// The store goes before whom it tells of its changes, and after whoever asks it.
App::~App() {
  tickets_.reset();
  public_.reset();
  admin_.reset();
  if (registrations_ != nullptr) registrations_->stop();
  if (activations_ != nullptr) activations_->stop();
  if (lookups_ != nullptr) lookups_->stop();
  store_.reset();
}

Result<void> App::start() {
  if (Result<void> const opened = open_store(); !opened) return opened;
  if (Result<void> const made = make_state_dir(settings_.state_dir); !made) return made;
  Result<std::unique_ptr<Registrations>> registrations =
      Registrations::make(settings_, *store_, metrics_);
  if (!registrations) return Unexpected(registrations.error());
  registrations_ = *std::move(registrations);
  if (Result<void> const opened = open_places(); !opened) return opened;
  if (Result<void> const opened = open_lookups(); !opened) return opened;
  std::vector<StoreWatcher*> watchers = lookups_->watchers();
  watchers.push_back(activations_->watcher());
  for (StoreWatcher* const each : registrations_->watchers()) watchers.push_back(each);
  watchers_ = std::make_unique<WatcherFan>(std::move(watchers));
  store_->watch(*watchers_);
  lookups_->start();
  activations_->start();
  Result<OwnUrls> const own_urls = start_public();
  if (!own_urls) return Unexpected(own_urls.error());
  print_listening({settings_.listen.host, public_->port()}, "public");
  if (Result<void> const started = start_admin(); !started) return started;
  print_listening({settings_.admin_listen.host, admin_->port()}, "admin");
  if (!store_answers())
    spdlog::warn("the store does not answer yet; requests get 503 until it does");
  return {};
}

Result<void> App::open_store() {
  Result<void> const opened = open_bare_store();
  if (opened) store_ = observe_store(std::move(store_), metrics_);
  return opened;
}

Result<void> App::open_bare_store() {
  StoreOptions options;
  options.lease = settings_.lease;
  if (settings_.store == "memory") {
    store_ = make_memory_store(options);
    return {};
  }
  Result<RedisOptions> const redis = parse_redis_url(settings_.store);
  if (!redis) return Unexpected(redis.error());
  store_ = make_redis_store(options, *redis);
  return {};
}

Result<void> App::open_places() {
  if (settings_.geoip.empty()) return {};
  Result<std::unique_ptr<GeoPlaces>> opened = GeoPlaces::open(settings_.geoip);
  if (!opened) return Unexpected(ErrorCode::Malformed, "--geoip: " + opened.error().detail);
  places_ = *std::move(opened);
  spdlog::info("regions are guessed by {}, built at Unix time {}", places_->type(),
               places_->built_unix_s());
  places_->start([this](Result<void> const& read) { log_places(read); });
  return {};
}

void App::log_places(Result<void> const& read) const {
  if (read)
    spdlog::info("the --geoip file is read again, built at Unix time {}", places_->built_unix_s());
  else
    spdlog::error("the --geoip file stays as it was: {}", read.error().detail);
}

Result<void> App::open_lookups() {
  LookupServiceOptions options;
  options.places = places_.get();
  options.limits.mode = *rate_mode_from_name(settings_.rate_limit);
  // A lab measures and breaks things from one address.
  Result<std::vector<IpNetwork>> lab = parse_networks(settings_.probe_allow, "--probe-allow");
  if (!lab) return Unexpected(lab.error());
  options.limits.exempt = *std::move(lab);
  auto const wake = [this](std::string const& event) { notify(event); };
  lookups_ = std::make_unique<LookupService>(*store_, metrics_, options, wake);
  Result<std::unique_ptr<Activations>> activations =
      Activations::make(settings_, *store_, *lookups_, wake);
  if (!activations) return Unexpected(activations.error());
  activations_ = *std::move(activations);
  return {};
}

void App::notify(std::string const& event) {
  HttpServer* const server = notified_;
  if (server != nullptr) server->notify(event);
}

Result<CertificateFiles> App::certificate(OwnUrls const& own_urls) const {
  if (!settings_.tls_cert.empty()) return load_certificate(settings_.tls_cert, settings_.tls_key);
  std::vector<std::string> names = own_urls.host_names();
  names.push_back(settings_.listen.host);
  return make_or_load_certificate(settings_.state_dir, names);
}

Result<OwnUrls> App::start_public() {
  Result<OwnUrls> own_urls = OwnUrls::parse(settings_.public_urls);
  if (!own_urls) return own_urls;
  Result<ServerOptions> const options = server_options(*own_urls);
  if (!options) return Unexpected(options.error());
  public_ = std::make_unique<HttpServer>(router_, *options);
  if (Result<void> const bound = public_->bind(); !bound) return Unexpected(bound.error());
  if (own_urls->list().empty())
    own_urls = OwnUrls::of_listener(settings_.listen.host, public_->port());

  std::printf("certificate sha256 %s\n", options->certificate->pin.c_str());
  for (std::string const& url : own_urls->list()) std::printf("public url %s\n", url.c_str());
  std::fflush(stdout);
  RegistrationParts parts = registrations_->parts();
  parts.limiter = &lookups_->limiter();
  api_ = std::make_unique<Api>(*store_, *own_urls, metrics_, kVersion, parts);
  api_->set_places(places_.get());
  api_->add_routes(router_);
  lookups_->add_routes(router_, activations_->activator());
  notified_ = public_.get();
  if (Result<void> const shared = share_tickets(); !shared) return Unexpected(shared.error());
  if (Result<void> const started = public_->start(); !started) return Unexpected(started.error());
  registrations_->start([this](std::string const& event) { notify(event); });
  return own_urls;
}

Result<ServerOptions> App::server_options(OwnUrls const& own_urls) const {
  Result<CertificateFiles> const files = certificate(own_urls);
  if (!files) return Unexpected(files.error());
  ServerOptions options;
  options.host = settings_.listen.host;
  options.port = settings_.listen.port;
  options.certificate = *files;
  options.loop_count = settings_.loops;
  options.worker_count = settings_.workers;
  options.proxies.proxy_protocol = settings_.proxy_protocol;
  if (settings_.forwarded_field == "forwarded") options.proxies.field = ForwardedField::Forwarded;
  for (std::string const& text : settings_.trusted_proxies) {
    Result<IpNetwork> const network = IpNetwork::parse(text);
    if (!network)
      return Unexpected(ErrorCode::Malformed, "--trusted-proxy: " + network.error().detail);
    options.proxies.trusted.push_back(*network);
  }
  options.on_certificate = [](Result<void> const& read) {
    if (read)
      spdlog::info("the certificate has changed; new connections get the new one");
    else
      spdlog::error("the certificate stays as it was: {}", read.error().detail);
  };
  return options;
}

/// Without a cluster secret each instance keeps its ticket keys to itself.
Result<void> App::share_tickets() {
  if (settings_.cluster_secret.empty() || settings_.store == "memory") return {};
  Result<std::string> const text = read_state_file(settings_.cluster_secret);
  if (!text) return Unexpected(text.error());
  Result<ClusterSecret> const secret = cluster_secret_of(as_bytes(*text));
  if (!secret)
    return Unexpected(ErrorCode::Malformed, "--cluster-secret: " + secret.error().detail);
  tickets_ = std::make_unique<TicketSharing>(*store_, *public_, *secret);
  tickets_->start();
  return {};
}

Result<void> App::start_admin() {
  AdminOptions options;
  options.host = settings_.admin_listen.host;
  options.port = settings_.admin_listen.port;
  options.state_dir = settings_.state_dir;
  options.metrics = [this] { return metrics_text(); };
  options.not_ready = [this]() -> std::optional<std::string> {
    if (draining_) return "draining";
    if (!store_answers()) return "the store does not answer";
    return std::nullopt;
  };
  admin_ = std::make_unique<AdminServer>(std::move(options));
  operator_ = std::make_unique<OperatorRoutes>(
      *store_, registrations_->admission(),
      [this](HttpRequest& lookup) { return router_.handle(lookup); });
  operator_->add_routes(admin_->router());
  return admin_->start();
}

std::string App::metrics_text() const {
  return metrics_.text({.store_up = store_answers(),
                        .server = public_->counters(),
                        .leases = registrations_->counts(),
                        .activations = activations_->counters(),
                        .lookups = lookups_->figures(),
                        .places = places_ ? std::optional(places_->figures()) : std::nullopt});
}

void App::reload() {
  if (Result<void> const read = public_->reload(); !read)
    spdlog::error("the certificate stays as it was: {}", read.error().detail);
  else
    spdlog::info("the certificate was read; new connections get it");
  if (Result<void> const read = registrations_->reload(); !read)
    spdlog::error("the token, allow and ban lists stay as they were: {}", read.error().detail);
  if (Result<void> const read = activations_->reload(); !read)
    spdlog::error("the tokens for new keys stay as they were: {}", read.error().detail);
  if (places_ != nullptr) log_places(places_->reload());
}

bool App::store_answers() const { return store_->now_unix_ms().ok(); }

void App::drain() {
  draining_ = true;
  spdlog::info("draining: not ready, serving for {} more", to_text(settings_.drain_delay));
  public_->drain(settings_.drain_delay);
  spdlog::info("draining: finishing requests in hand for at most {}", to_text(settings_.grace));
  if (tickets_ != nullptr) tickets_->stop();
  public_->stop(settings_.grace);
  admin_->stop(Duration(0));
  registrations_->stop();
  activations_->stop();
  lookups_->stop();
  if (places_ != nullptr) places_->stop();
}

}  // namespace holdfast::discovery
