#include "replicator/daemon/config.h"

#include <cstdio>

#include "codec/key_text.h"
#include "config/command_line.h"
#include "crypto/hash.h"

namespace holdfast::replicator {

namespace {

/// The flags as text, before keys and addresses are read out of them.
struct RawConfig {
  std::vector<std::string> projects;
  std::vector<std::string> peers;
  std::string advertise;
  std::string accept = "listed";
};

void add_flags(CommandLine& line, Config& config, RawConfig& raw) {
  line.group("Storage");
  line.add("data", config.data_dir, "DIR",
           "where cores and the node's identity are kept (required)");
  line.add("disk-budget", config.disk_budget,
           "stop taking new data above this much disk; 0: no limit");
  line.add("fork-retention", config.fork_retention, "keep what a fork cut off for this long");
  line.add("idle-timeout", config.idle_timeout, "close a core after this long without a session");
  line.group("Network");
  line.add("listen", config.listen, "address to accept wire peers on; port 0: any");
  line.add(
      "advertise", raw.advertise, "HOST:PORT",
      "what clients are told to dial; default: the address seen by discovery, and the real port");
  line.add("peer", raw.peers, "[ID@]HOST:PORT",
           "another node to mirror with; dialled again for ever");
  line.add("connections-max", config.connections_max, "N", "open connections, all together");
  line.add("connections-per-address-max", config.connections_per_address_max, "N",
           "accepted connections from one address");
  line.add("admin-listen", config.admin_listen,
           "address of /metrics, /livez, /readyz and /projects");
  line.group("Projects");
  line.add("project", raw.projects, "CORE_KEY", "host the project with this root core");
  line.add_choice(
      "accept", raw.accept, {"listed", "assigned"},
      "listed: only what its owner names; assigned: also what discovery assigns (a volunteer)");
  line.add("capacity", config.capacity, "N",
           "projects this node is willing to host; 0: no limit of its own");
  line.add("assigned-idle", config.assigned_idle,
           "give an assigned key back when no client brought its project in this time");
  line.group("Discovery");
  line.add("discovery", config.discovery_urls, "URL", "discovery service to register with");
  line.add("discovery-ca", config.discovery_ca, "F",
           "PEM file of the authority that signs its certificate");
  line.add("discovery-pin", config.discovery_pin, "SHA256",
           "hex SHA-256 of its certificate (DER), instead of an authority");
  line.add("registration-token", config.registration_token, "F",
           "file with the token or invite that the discovery service's operator gave");
  line.add("region", config.region, "R", "where this node is, e.g. eu");
  line.add("group", config.group, "G", "what fails together with this node, e.g. a site");
  line.group("Logs");
  add_log_flags(line, config.log);
}

/// Errors: Malformed, naming the flag.
Result<void> resolve(RawConfig const& raw, Config& config) {
  if (config.data_dir.empty()) return Unexpected(ErrorCode::Malformed, "--data DIR is required");
  for (std::string const& text : raw.projects) {
    Result<CoreKey> const key = parse_key_as<CoreKey>(text);
    if (!key) return Unexpected(ErrorCode::Malformed, "--project: " + key.error().detail);
    config.projects.push_back(*key);
  }
  for (std::string const& text : raw.peers) {
    PeerAddress peer;
    std::size_t const at = text.find('@');
    if (at != std::string::npos) {
      Result<PublicKey> const id = parse_key_as<PublicKey>(text.substr(0, at));
      if (!id)
        return Unexpected(ErrorCode::Malformed, "--peer: the ID before '@': " + id.error().detail);
      peer.id = *id;
    }
    Result<HostPort> const address =
        parse_host_port(at == std::string::npos ? text : text.substr(at + 1));
    if (!address) return Unexpected(ErrorCode::Malformed, "--peer: " + address.error().detail);
    peer.address = *address;
    config.peers.push_back(peer);
  }
  if (!raw.advertise.empty()) {
    Result<HostPort> const address = parse_host_port(raw.advertise);
    if (!address) return Unexpected(ErrorCode::Malformed, "--advertise: " + address.error().detail);
    config.advertise = *address;
  }
  if (!config.discovery_pin.empty() && !Hash::from_hex(config.discovery_pin)) {
    return Unexpected(ErrorCode::Malformed, "--discovery-pin: 64 hex digits are wanted");
  }
  if (!config.discovery_pin.empty() && !config.discovery_ca.empty()) {
    return Unexpected(ErrorCode::Malformed,
                      "--discovery-pin and --discovery-ca exclude each other");
  }
  config.accept_assigned = raw.accept == "assigned";
  return {};
}

}  // namespace

std::optional<int> parse_config(int argc, char const* const* argv, Config& config) {
  CommandLine line({.name = "holdfast-replicator",
                    .version = HOLDFAST_VERSION,
                    .description = "Stores projects of Hypercore-based apps and syncs them with "
                                   "whoever proves to know their keys.",
                    .footer = "Signals: SIGTERM and SIGINT drain (leave discovery, go on accepting "
                              "for the granted lease, then end);\n"
                              "a second one stops at once. Files in --data: identity (the node's "
                              "secret seed), admin-token, store/.\n"
                              "Example: holdfast-replicator --data /var/lib/holdfast --project KEY "
                              "--discovery https://discovery.example.org\n"});
  RawConfig raw;
  config.fork_retention = std::chrono::duration_cast<Duration>(std::chrono::hours(24 * 30));
  add_flags(line, config, raw);
  if (std::optional<int> const code = line.parse(argc, argv)) return code;
  if (Result<void> const resolved = resolve(raw, config); !resolved) {
    std::fprintf(stderr, "holdfast-replicator: %s\n", resolved.error().detail.c_str());
    return 2;
  }
  return std::nullopt;
}

}  // namespace holdfast::replicator
