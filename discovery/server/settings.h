#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/logging.h"
#include "config/values.h"

namespace holdfast::discovery {

/// What holdfast-discovery can be told (docs/operations/discovery.md).
struct Settings {
  HostPort listen{"0.0.0.0", 8443};
  std::string tls_cert;
  std::string tls_key;
  std::vector<std::string> public_urls;
  std::string store = "memory";
  std::string state_dir;
  Duration lease{60'000};
  std::uint64_t workers = 16;
  std::string geoip;
  std::string rate_limit = "enforce";
  std::uint64_t loops = 0;  ///< 0: one for each core.
  std::vector<std::string> trusted_proxies;
  bool proxy_protocol = false;
  std::string forwarded_field = "x-forwarded-for";
  Duration drain_delay{0};
  Duration grace{10'000};
  HostPort admin_listen{"127.0.0.1", 9090};
  LogOptions log;

  std::string registration = "open";
  std::string registration_token;
  std::string allow_list;
  std::string ban_list;
  std::string self_test = "on";
  std::uint64_t registrations_per_v4_24 = 64;
  std::uint64_t registrations_per_v6_64 = 16;
  std::uint64_t registrations_per_v6_48 = 64;
  std::uint64_t keys_per_replicator = 100'000;
  std::vector<std::string> probe_allow;
  std::string cluster_secret;

  std::string new_keys = "none";
  std::string new_keys_token;
};

/// Reads command line, environment and file.
/// Returns: the settings, or the exit code to end with (0 after --help and its like; the message is out already).
std::variant<Settings, int> read_settings(int argc, char const* const* argv);

/// What no single flag can say by itself. Errors: Malformed, one sentence for stderr.
Result<void> check_settings(Settings const& settings);

/// STATE_DIRECTORY (systemd), else XDG_STATE_HOME/holdfast-discovery, else ~/.local/state/holdfast-discovery.
std::string default_state_dir();

}  // namespace holdfast::discovery
