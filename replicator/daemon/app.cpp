#include "replicator/daemon/app.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include "net/engine_host.h"
#include "replicator/daemon/assignee.h"
#include "replicator/daemon/identity.h"
#include "replicator/daemon/metrics.h"
#include "replicator/daemon/peer_dialer.h"
#include "replicator/daemon/project_keeper.h"
#include "replicator/daemon/project_routes.h"
#include "replicator/daemon/registrar.h"
#include "replicator/daemon/wall_clock.h"
#include "serve/admin.h"
#include "serve/state_files.h"

namespace holdfast::replicator {

namespace {

constexpr Duration kDrainSessions{5'000};
constexpr std::time_t kTickS = 5;
constexpr int kTicksPerHousekeeping = 720;  // An hour.

net::EngineHostOptions host_options(Config const& config) {
  net::EngineHostOptions options;
  options.sync.idle_timeout = config.idle_timeout;
  options.sync.foreign_protocols = {kBlindPeerProtocol};
  options.connections_max = config.connections_max;
  options.connections_per_address_max = config.connections_per_address_max;
  return options;
}

/// The running node. Members are made in this order and end in the opposite one.
class Node {
 public:
  Node(Config const& config, std::unique_ptr<store::RocksDbStore> store, KeyPair const& identity)
      : config_(config),
        identity_(identity),
        store_(std::move(store)),
        projects_(*store_),
        seq_(*store_),
        receipts_(*store_),
        host_(host_options(config), *store_, identity),
        assigned_(*store_),
        keeper_(projects_, assigned_, host_, [this] { wake_registrars(); }),
        dialer_(host_, config.peers),
        admin_(admin_options()) {}

  /// Errors: Storage, Unavailable (address taken), Malformed.
  Result<void> start();
  /// Leaves discovery, goes on accepting while somebody may hold an answer that names this node, then ends.
  void drain();
  void housekeeping();
  /// Whether the store takes nothing new; says so in the log when it changes.
  bool storage_full();

 private:
  AdminOptions admin_options();
  Result<void> start_registrars(std::uint16_t port);
  registration::LoadFigures load();
  MetricsSnapshot snapshot();
  void wake_registrars() {
    for (auto const& registrar : registrars_) registrar->wake();
  }

  Config const& config_;
  KeyPair const identity_;
  std::unique_ptr<store::RocksDbStore> store_;
  Projects projects_;
  RecordSeq seq_;
  Receipts receipts_;
  std::atomic<bool> draining_{false};
  std::atomic<bool> was_full_{false};
  std::vector<std::unique_ptr<Registrar>> registrars_;
  std::vector<std::unique_ptr<Assignee>> assignees_;
  net::EngineHost host_;
  AssignedKeys assigned_;
  ProjectKeeper keeper_;
  PeerDialer dialer_;
  AdminServer admin_;
};

AdminOptions Node::admin_options() {
  AdminOptions options;
  options.host = config_.admin_listen.host;
  options.port = config_.admin_listen.port;
  options.state_dir = config_.data_dir;
  options.metrics = [this] { return to_prometheus(snapshot()); };
  options.not_ready = [this]() -> std::optional<std::string> {
    if (draining_) return "draining";
    return std::nullopt;
  };
  return options;
}

Result<void> Node::start() {
  if (Result<void> const loaded = projects_.load(); !loaded) return loaded;
  if (Result<void> const loaded = assigned_.load(); !loaded) return loaded;
  for (CoreKey const& root : config_.projects) {
    if (Result<bool> const added = projects_.add(root); !added) return Unexpected(added.error());
  }
  host_.subscribe(
      [this](sync::Event const& event, net::ConnectionInfo const*) { keeper_.on_event(event); });
  keeper_.start();
  Result<net::Address> const bound = host_.listen({config_.listen.host, config_.listen.port});
  if (!bound) return Unexpected(bound.error());
  if (Result<void> const made = start_registrars(bound->port); !made) return made;
  add_project_routes(admin_.router(), keeper_, projects_, host_);
  if (Result<void> const started = admin_.start(); !started) return started;
  dialer_.start();
  for (auto const& registrar : registrars_) registrar->start();
  for (auto const& assignee : assignees_) assignee->start();
  housekeeping();
  std::printf("listening on %s public\nlistening on %s admin\n",
              to_text(HostPort{config_.listen.host, bound->port}).c_str(),
              to_text(HostPort{config_.admin_listen.host, admin_.port()}).c_str());
  std::fflush(stdout);
  spdlog::info("node {} hosts {} project(s) in {}", identity_.public_key.hex(), projects_.size(),
               config_.data_dir);
  return {};
}

Result<void> Node::start_registrars(std::uint16_t port) {
  registration::Record record;
  record.id = identity_.public_key;
  registration::Address address;
  address.host = config_.advertise ? config_.advertise->host : "";
  address.port = config_.advertise && config_.advertise->port != 0 ? config_.advertise->port : port;
  record.addresses.push_back(address);
  record.region = config_.region;
  record.group = config_.group;
  record.capacity = config_.capacity;
  record.accept = config_.accept_assigned ? registration::AcceptMode::Assigned
                                          : registration::AcceptMode::Listed;
  record.software = std::string("holdfast-replicator/") + HOLDFAST_VERSION;
  std::string token;
  if (!config_.registration_token.empty()) {
    Result<std::string> const text = read_state_file(config_.registration_token);
    if (!text) return Unexpected(text.error().code, "--registration-token: " + text.error().detail);
    token = text->substr(0, text->find_first_of(" \t\r\n"));
  }
  for (std::string const& url : config_.discovery_urls) {
    Result<net::ServiceUrl> const service = net::parse_service_url(url);
    if (!service) return Unexpected(service.error().code, "--discovery: " + service.error().detail);
    RegistrarOptions options{
        .service = *service, .https = {}, .record = record, .backoff = {}, .token = token};
    options.https.trust.ca_file = config_.discovery_ca;
    options.https.trust.pin = Hash::from_hex(config_.discovery_pin);
    options.backoff.cap = Duration(15'000);
    if (config_.accept_assigned) {
      assignees_.push_back(
          std::make_unique<Assignee>(AssigneeOptions{*service, options.https, config_.capacity,
                                                     config_.assigned_idle, options.backoff},
                                     identity_, keeper_));
    }
    registrars_.push_back(std::make_unique<Registrar>(
        std::move(options), identity_, seq_, receipts_, [this] { return keeper_.wanted_keys(); },
        [this] { return load(); }));
  }
  return {};
}

registration::LoadFigures Node::load() {
  registration::LoadFigures figures;
  figures.projects = keeper_.hosted_count();
  figures.connections = host_.stats().connections;
  figures.stored_bytes = store_->used_bytes();
  std::error_code unknown;
  std::filesystem::space_info const space = std::filesystem::space(config_.data_dir, unknown);
  if (!unknown) figures.free_bytes = space.available;
  if (std::uint64_t const budget = config_.disk_budget.bytes; budget > 0) {
    std::uint64_t const left = budget - std::min(budget, figures.stored_bytes);
    figures.free_bytes = unknown ? left : std::min(left, figures.free_bytes);
  }
  figures.storage_full = storage_full();
  return figures;
}

bool Node::storage_full() {
  bool const full = store_->is_full();
  if (was_full_.exchange(full) == full) return full;
  if (full) {
    spdlog::warn(
        "storage is full ({} bytes used, --disk-budget {}): nothing new is taken, what is here is "
        "served",
        store_->used_bytes(), config_.disk_budget.bytes);
  } else {
    spdlog::info("storage has room again");
  }
  return full;
}

MetricsSnapshot Node::snapshot() {
  MetricsSnapshot out;
  out.host = host_.stats();
  out.projects = projects_.size();
  out.assigned_keys = assigned_.size();
  out.stored_bytes = store_->used_bytes();
  out.disk_budget_bytes = config_.disk_budget.bytes;
  out.storage_full = storage_full();
  out.named_cores_taken = keeper_.named_cores_taken();
  out.named_cores_refused = keeper_.named_cores_refused();
  out.services = registrars_.size();
  for (auto const& registrar : registrars_) {
    out.services_registered += registrar->registered() ? 1u : 0u;
    out.services_listing += registrar->standing() == Standing::Listing ? 1u : 0u;
    out.services_refusing += registrar->standing() == Standing::Refusing ? 1u : 0u;
    out.unlisted_keys = std::max(out.unlisted_keys, registrar->unlisted_keys());
    out.renewals += registrar->renewals();
    out.renewal_failures += registrar->failures();
  }
  out.draining = draining_;
  return out;
}

void Node::housekeeping() {
  std::uint64_t const keep_ms = static_cast<std::uint64_t>(config_.fork_retention.count());
  std::uint64_t const now_ms = unix_ms();
  Result<std::size_t> const purged = store_->purge_retired(now_ms - std::min(now_ms, keep_ms));
  if (!purged) spdlog::warn("old forks were not purged: {}", purged.error().detail);
}

void Node::drain() {
  draining_ = true;
  dialer_.stop();
  for (auto const& assignee : assignees_) assignee->stop();
  std::uint64_t lease_s = 0;
  for (auto const& registrar : registrars_) {
    registrar->drain();
    lease_s = std::max(lease_s, registrar->longest_lease_s());
  }
  if (lease_s > 0) {
    spdlog::info("draining: accepting for {} s more, for clients that were just told to come here",
                 lease_s);
    std::this_thread::sleep_for(std::chrono::seconds(lease_s));
  }
  for (auto const& registrar : registrars_) registrar->stop(/*deregister=*/true);
  admin_.stop(std::chrono::milliseconds(500));
  keeper_.stop();
  host_.drain(kDrainSessions);
  host_.stop();
}

Result<void> run_node(Config const& config,
                      std::function<void(store::RocksDbStore::Options&)> const& adjust_store,
                      sigset_t const& signals) {
  if (Result<void> const ready = init_crypto(); !ready) return ready;
  if (Result<void> const made = make_state_dir(config.data_dir); !made) return made;
  store::RocksDbStore::Options options;
  options.directory = config.data_dir + "/store";
  options.budget_bytes = config.disk_budget.bytes;
  if (adjust_store) adjust_store(options);
  Result<std::unique_ptr<store::RocksDbStore>> store =
      store::RocksDbStore::open(std::move(options));
  if (!store) return Unexpected(store.error());
  Result<KeyPair> const identity = load_or_make_identity(config.data_dir);
  if (!identity) return Unexpected(identity.error());
  Node node(config, std::move(*store), *identity);
  if (Result<void> const started = node.start(); !started) return started;

  timespec const tick{kTickS, 0};
  for (int ticks = 1; sigtimedwait(&signals, nullptr, &tick) < 0; ++ticks) {
    static_cast<void>(node.storage_full());  // For the log.
    if (ticks % kTicksPerHousekeeping == 0) node.housekeeping();
  }
  std::thread([signals] {
    int number = 0;
    sigwait(&signals, &number);
    std::_Exit(1);  // The second signal: at once. What was announced is durable already.
  }).detach();
  node.drain();
  return {};
}

}  // namespace

int run(Config const& config,
        std::function<void(store::RocksDbStore::Options&)> const& adjust_store) {
  set_up_logging(config.log);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  Result<void> const done = run_node(config, adjust_store, signals);
  if (done) return 0;
  std::fprintf(stderr, "holdfast-replicator: %s\n", done.error().detail.c_str());
  return 1;
}

}  // namespace holdfast::replicator
