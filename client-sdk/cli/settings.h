#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "config/values.h"
#include "net/discovery_client.h"
#include "net/follower.h"

namespace holdfast::cli {

/// Exit codes of `holdfast`; scripts rely on them.
enum class Exit : int {
  Ok = 0,
  Error = 1,        ///< Something went wrong; one line on stderr says what.
  Usage = 2,        ///< Flags or arguments cannot be understood.
  NotFound = 3,     ///< Nobody is registered for the key, or the block is not in the copy.
  Unavailable = 4,  ///< Not now: services or nodes cannot be reached or cannot serve. Try later.
  Untrusted = 5,    ///< Who answers is somebody else: by a service's certificate, or a node's key.
  NotListed = 6,    ///< doctor: the service knows the node and does not give it in answers.
  Interrupted = 130,
};

/// What every command may be told.
struct Settings {
  std::vector<std::string> discovery;
  std::string discovery_ca;
  std::string discovery_pin;
  std::string region;
  std::vector<std::string> peers;
  bool proven_only = false;
  bool json = false;
  Duration timeout{10'000};
};

/// What one command was told besides.
struct Arguments {
  std::string key;
  bool project = false;
  std::string directory;
  std::vector<std::string> blocks;
  bool follow = false;
  Duration interval{5'000};
  std::string admin = "127.0.0.1:9091";
  std::string out;
  std::string node;  ///< doctor: the id of one's own node.
  // admin:
  std::string action;
  std::string token_file;
  std::string reason;
  std::optional<Duration> life;
  std::optional<std::uint64_t> keys;
};

Exit exit_of(Error const& error);
/// Prints "holdfast: …" on stderr. Returns: the exit code of the error.
Exit complain(Error const& error);

/// Errors: Malformed (URL, pin), naming the flag.
Result<net::HttpsOptions> https_options(Settings const& settings);
/// Errors: as above; Malformed when no service is given.
Result<net::DiscoveryClientOptions> discovery_options(Settings const& settings);
Result<std::vector<net::NamedPeer>> named_peers(Settings const& settings);
/// A registry key from the command line, or what a project key hashes to with --project.
Result<net::LookupQuery> lookup_query(Settings const& settings, Arguments const& arguments);

Exit lookup(Settings const& settings, Arguments const& arguments);
Exit clone(Settings const& settings, Arguments const& arguments);
Exit cat(Settings const& settings, Arguments const& arguments);
Exit watch(Settings const& settings, Arguments const& arguments);
Exit status(Settings const& settings, Arguments const& arguments);
Exit doctor(Settings const& settings, Arguments const& arguments);
Exit admin(Settings const& settings, Arguments const& arguments);
Exit keygen(Settings const& settings, Arguments const& arguments);

/// The whole program.
int run(int argc, char const* const* argv);

}  // namespace holdfast::cli
