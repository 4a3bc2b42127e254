#include "discovery/server/settings.h"

#include <cstdlib>
#include <utility>

#include "config/command_line.h"
#include "discovery/server/version.h"

namespace holdfast::discovery {

namespace {

constexpr Duration kLeaseMin{3'000};
constexpr Duration kLeaseMax{3'600'000};

constexpr char kDescription[] =
    "Tells devices where a Hypercore project can be replicated right now: an HTTPS service that "
    "maps discovery keys to "
    "the replicators that registered for them. Any number of instances may share one Redis.";

constexpr char kFooter[] = R"(
Output:
  certificate sha256 HEX         what clients may pin (--discovery-pin)
  public url URL                 one line for each URL that signed requests may be meant for
  listening on HOST:PORT public  (or admin) once the listener accepts; logs go to stderr

Signals:
  SIGTERM, SIGINT   drain: not ready, no new connections, finish requests in hand; a second one stops at once
  SIGHUP            read the certificate, the token, allow and ban lists and the --geoip file again; the old ones stay on failure

Files in the state directory:
  tls-cert.pem, tls-key.pem      the certificate that is made without --tls-cert; keep them, clients pin it
  receipt-secret                 signs admission receipts, unless --cluster-secret does
  admin-token                    for anything but GET on the admin port (Authorization: Bearer)

Exit status: 0 after a drain, --help and its like; 1 if it cannot start; 2 for bad usage.

Examples:
  holdfast-discovery --listen 0.0.0.0:8443 --public-url https://discovery.example.org:8443
  HOLDFAST_DISCOVERY_STORE=redis://127.0.0.1:6379/0 holdfast-discovery --config /etc/holdfast/discovery.conf)";

char const* environment(char const* name) {
  char const* const value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread exists.
  return value != nullptr && *value != '\0' ? value : nullptr;
}

void add_settings(CommandLine& line, Settings& settings) {
  line.group("Service");
  line.add("listen", settings.listen, "Where to accept HTTPS; port 0 takes any free one");
  line.add("public-url", settings.public_urls, "URL",
           "A URL under which clients reach this service; by default that of the listener");
  line.add("tls-cert", settings.tls_cert, "FILE",
           "Certificate chain (PEM); without it a self-signed one is made");
  line.add("tls-key", settings.tls_key, "FILE", "Private key (PEM) of --tls-cert");
  line.add("lease", settings.lease, "How long a replicator counts without renewal");
  line.add("new-keys", settings.new_keys, "MODE",
           "Who may bring keys that nobody hosts (they are assigned to volunteers): none, token or "
           "open");
  line.add("new-keys-token", settings.new_keys_token, "FILE",
           "Tokens, one to a line, that clients send as Authorization: Bearer TOKEN");
  line.add("geoip", settings.geoip, "FILE",
           "Countries of addresses (MaxMind DB); look-ups without region= are answered with the "
           "nodes of the client's "
           "country, then continent, first");
  line.group("Registration");
  line.add_choice("registration", settings.registration, {"open", "token", "allow-list", "invite"},
                  "Who may register a replicator");
  line.add("registration-token", settings.registration_token, "FILE",
           "Tokens, one to a line; who knows one may register, and name other public addresses");
  line.add("allow-list", settings.allow_list, "FILE", "Ids and CIDR ranges that may register");
  line.add("ban-list", settings.ban_list, "FILE", "Ids and CIDR ranges that may not");
  line.add_choice(
      "self-test", settings.self_test, {"on", "off"},
      "Whether replicators are tested before they are listed; off is for closed networks");
  line.add("probe-allow", settings.probe_allow, "CIDR",
           "Reserved range that may be registered and tested; no quotas there");
  line.add("registrations-per-v4-24", settings.registrations_per_v4_24, "N",
           "Replicators from one IPv4 /24");
  line.add("registrations-per-v6-64", settings.registrations_per_v6_64, "N",
           "Replicators from one IPv6 /64");
  line.add("registrations-per-v6-48", settings.registrations_per_v6_48, "N",
           "Replicators from one IPv6 /48");
  line.add("keys-per-replicator", settings.keys_per_replicator, "N",
           "Keys that one replicator may list, unless it has a quota of its own");
  line.group("State");
  line.add("store", settings.store, "URL",
           "memory (one instance), redis://HOST:PORT/DB, redis-sentinel://HOST:PORT,…/MASTER or "
           "redis-cluster://HOST:PORT,…");
  line.add("state-dir", settings.state_dir, "DIR", "Certificate and admin token");
  line.add("cluster-secret", settings.cluster_secret, "FILE",
           "Secret that all instances share: seals tickets, signs admission receipts");
  line.group("Operation");
  line.add("admin-listen", settings.admin_listen, "Plain HTTP for /metrics, /livez and /readyz");
  line.add("loops", settings.loops, "N", "Event loops; 0 takes one for each core");
  line.add("workers", settings.workers, "N", "Threads for requests that wait for the store");
  line.add("trusted-proxy", settings.trusted_proxies, "CIDR",
           "Range of proxies that may say who the client is; nobody else is believed");
  line.add("proxy-protocol", settings.proxy_protocol,
           "Trusted proxies start each connection with a PROXY header (version 1 or 2)");
  line.add_choice("forwarded-field", settings.forwarded_field, {"x-forwarded-for", "forwarded"},
                  "The field that trusted proxies add a client's address to");
  line.add_choice("rate-limit", settings.rate_limit, {"off", "measure", "enforce"},
                  "Budgets for each client network: not at all, only counted, or kept to");
  line.add("drain-delay", settings.drain_delay,
           "How long SIGTERM goes on serving, not ready, before it stops accepting");
  line.add("grace", settings.grace, "How long SIGTERM waits for requests in hand");
  add_log_flags(line, settings.log);
}

}  // namespace

std::string default_state_dir() {
  if (char const* const given = environment("STATE_DIRECTORY")) return given;
  if (char const* const xdg = environment("XDG_STATE_HOME"))
    return std::string(xdg) + "/holdfast-discovery";
  if (char const* const home = environment("HOME"))
    return std::string(home) + "/.local/state/holdfast-discovery";
  return "/var/lib/holdfast-discovery";
}

std::variant<Settings, int> read_settings(int argc, char const* const* argv) {
  Settings settings;
  settings.state_dir = default_state_dir();
  CommandLine line({"holdfast-discovery", kVersion, kDescription, kFooter});
  add_settings(line, settings);
  if (std::optional<int> const code = line.parse(argc, argv); code) return *code;
  return settings;
}

Result<void> check_settings(Settings const& settings) {
  auto const malformed = [](char const* text) { return Unexpected(ErrorCode::Malformed, text); };
  if (settings.tls_cert.empty() != settings.tls_key.empty())
    return malformed("--tls-cert and --tls-key belong together");
  if (settings.lease < kLeaseMin || settings.lease > kLeaseMax)
    return malformed("--lease is from 3s to 1h");
  if (settings.workers < 1 || settings.workers > 1024)
    return malformed("--workers is from 1 to 1024");
  if (settings.loops > 256) return malformed("--loops is at most 256");
  if (settings.proxy_protocol && settings.trusted_proxies.empty())
    return malformed("--proxy-protocol needs --trusted-proxy");
  if (settings.new_keys != "none" && settings.new_keys != "token" && settings.new_keys != "open") {
    return malformed("--new-keys is none, token or open");
  }
  if (settings.new_keys == "token" && settings.new_keys_token.empty())
    return malformed("--new-keys token needs --new-keys-token");
  if (settings.registration == "token" && settings.registration_token.empty())
    return malformed("--registration token needs --registration-token");
  if (settings.registration == "allow-list" && settings.allow_list.empty())
    return malformed("--registration allow-list needs --allow-list");
  if (settings.store != "memory" && !settings.store.starts_with("redis://") &&
      !settings.store.starts_with("redis-sentinel://") &&
      !settings.store.starts_with("redis-cluster://")) {
    return malformed("--store is memory, redis://, redis-sentinel:// or redis-cluster://");
  }
  return {};
}

}  // namespace holdfast::discovery
