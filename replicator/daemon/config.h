#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "config/logging.h"
#include "config/values.h"
#include "crypto/keys.h"

namespace holdfast::replicator {

/// Another node to dial and keep dialling.
struct PeerAddress {
  std::optional<PublicKey> id;  ///< The Noise key that must answer there.
  HostPort address;
};

/// The settings of holdfast-replicator after parsing; every key is checked.
struct Config {
  std::string data_dir;
  HostPort listen{"0.0.0.0", 4838};
  std::optional<HostPort> advertise;
  std::vector<std::string> discovery_urls;
  std::string discovery_ca;
  std::string discovery_pin;
  std::string registration_token;  ///< File with the operator's token or invite.
  std::vector<CoreKey> projects;
  bool accept_assigned = false;
  std::uint64_t capacity = 1'000;  ///< Projects, listed and assigned together; said to discovery.
  Duration assigned_idle{
      3'600'000};  ///< An assigned key that no client brings in this time is given back.
  std::string region;
  std::string group;
  std::vector<PeerAddress> peers;
  ByteSize disk_budget{};
  HostPort admin_listen{"127.0.0.1", 9091};
  Duration fork_retention{};
  Duration idle_timeout{60'000};
  std::uint64_t connections_max = 1'024;
  std::uint64_t connections_per_address_max = 64;
  LogOptions log;
};

/// Reads command line, environment and file.
/// Returns: an exit code if the program must end now (after --help, or with one line on stderr).
std::optional<int> parse_config(int argc, char const* const* argv, Config& config);

}  // namespace holdfast::replicator
