#include <cstdio>

#include <CLI/CLI.hpp>

#include "cli/settings.h"
#include "config/command_line.h"
#include "crypto/keys.h"

namespace holdfast::cli {
namespace {

constexpr char const* kVersion = "0.1.0";
constexpr char const* kFooter =
    "Keys are 64 hex digits or 52 z-base-32 characters.\n"
    "Exit codes: 0 fine, 1 error, 2 wrong usage, 3 not found, 4 not now (try later), 5 somebody\n"
    "else answers (certificate, node key), 6 node not listed (doctor), 130 stopped by a signal.\n"
    "Examples:\n"
    "  holdfast lookup --project PROJECT_KEY --discovery https://discovery.example.org\n"
    "  holdfast clone CORE_KEY ./copy --peer 192.0.2.1:4838 && holdfast cat ./copy 0 1 2\n";

void add_settings(CommandLine& line, Settings& settings) {
  line.group("Discovery");
  line.add("discovery", settings.discovery, "URL", "Discovery service, https://HOST[:PORT]");
  line.add("discovery-ca", settings.discovery_ca, "FILE",
           "Certificate authorities to trust instead of the system's (PEM)");
  line.add("discovery-pin", settings.discovery_pin, "SHA256",
           "Trust only the certificate with this SHA-256 (64 hex digits)");
  line.add("region", settings.region, "NAME", "Prefer nodes in this region");
  line.add("proven-only", settings.proven_only,
           "Leave out nodes that have not proven to know the project key");
  line.group("Connections");
  line.add("peer", settings.peers, "[ID@]HOST:PORT", "Dial this node before asking discovery");
  line.add("timeout", settings.timeout, "For each connection and answer");
  line.group("Output");
  line.add("json", settings.json, "Print JSON, one document per line");
}

/// A subcommand, and what runs it.
struct Command {
  CLI::App* app;
  Exit (*run)(Settings const&, Arguments const&);
};

CLI::App* add_command(CommandLine& line, char const* name, char const* help) {
  CLI::App* const command = line.app().add_subcommand(name, help);
  command->fallthrough();  // Settings may stand behind the command.
  command->configurable(false);
  return command;
}

std::vector<Command> add_commands(CommandLine& line, Arguments& arguments, std::string& interval,
                                  std::string& life) {
  std::vector<Command> commands;
  auto const add = [&](char const* name, char const* help, auto run) {
    return commands.emplace_back(Command{add_command(line, name, help), run}).app;
  };
  char const* const project_help = "KEY is a project key; only its hash leaves this computer";
  CLI::App* app = add("lookup", "Print where a key can be replicated now", &lookup);
  app->add_option("KEY", arguments.key, "Discovery key")->required();
  app->add_flag("--project", arguments.project, project_help);
  app = add("clone", "Copy a core to a directory, or go on with a copy", &clone);
  app->add_option("CORE_KEY", arguments.key, "Key of the core")->required();
  app->add_option("DIR", arguments.directory, "Directory of the copy")->required();
  app->add_flag("--follow", arguments.follow, "Stay and take what is appended");
  app = add("cat", "Write blocks of a copy to stdout", &cat);
  app->add_option("DIR", arguments.directory, "Directory of the copy")->required();
  app->add_option("BLOCK", arguments.blocks, "Numbers or FIRST-LAST; without any, everything");
  app = add("watch", "Print changes of a key's endpoints until stopped", &watch);
  app->add_option("KEY", arguments.key, "Discovery key")->required();
  app->add_flag("--project", arguments.project, project_help);
  app->add_option("--interval", interval, "Between two look-ups")->capture_default_str();
  app =
      add("status", "Ask a program's admin port whether it is ready, and for its figures", &status);
  app->add_option("--admin", arguments.admin, "Admin port, HOST:PORT")->capture_default_str();
  app = add("doctor", "Find out what is wrong between here, discovery and the nodes", &doctor);
  app->add_option("KEY", arguments.key, "Discovery key whose nodes are tried too");
  app->add_flag("--project", arguments.project, project_help);
  app->add_option("--node", arguments.node,
                  "Id of your own node: what does the service think of it?");
  app = add("admin", "Give orders to a discovery service through its admin port", &admin);
  app->add_option("ACTION", arguments.action,
                  "list, trace, drain, undrain, ban, unban, bans, quota or invite")
      ->required();
  app->add_option("WHAT", arguments.key, "Id, key, address or CIDR range; not for bans and invite");
  app->add_option("--admin", arguments.admin, "Admin port, [http://]HOST:PORT")
      ->capture_default_str();
  app->add_option("--token-file", arguments.token_file, "The service's file admin-token");
  app->add_option("--reason", arguments.reason, "ban: what its owner is told");
  app->add_option("--for", life, "ban, invite: how long, e.g. 24h");
  app->add_option("--keys", arguments.keys, "quota: how many; without it the default holds again");
  app = add("keygen", "Make a node's identity", &keygen);
  app->add_option("--out", arguments.out, "Write the secret seed to this new file (0600)");
  return commands;
}

}  // namespace

int run(int argc, char const* const* argv) {
  CommandLine line({"holdfast", kVersion,
                    "Look up, copy and watch Hypercore projects through Holdfast nodes.", kFooter});
  Settings settings;
  Arguments arguments;
  std::string interval = to_text(arguments.interval);
  std::string life;
  add_settings(line, settings);
  std::vector<Command> const commands = add_commands(line, arguments, interval, life);
  CLI::App const* const version = add_command(line, "version", "Print the version");
  line.app().require_subcommand(0, 1);
  if (std::optional<int> const code = line.parse(argc, argv)) return *code;
  if (version->parsed()) {
    std::printf("holdfast %s\n", kVersion);
    return static_cast<int>(Exit::Ok);
  }
  Result<Duration> const every = parse_duration(interval);
  if (!every) return complain(every.error()), static_cast<int>(Exit::Usage);
  arguments.interval = *every;
  if (!life.empty()) {
    Result<Duration> const given = parse_duration(life);
    if (!given) return complain(given.error()), static_cast<int>(Exit::Usage);
    arguments.life = *given;
  }
  if (Result<void> const ready = init_crypto(); !ready) {
    return static_cast<int>(complain(ready.error()));
  }
  for (Command const& command : commands) {
    if (command.app->parsed()) return static_cast<int>(command.run(settings, arguments));
  }
  std::fprintf(stderr, "holdfast: say what to do (see holdfast --help)\n");
  return static_cast<int>(Exit::Usage);
}

}  // namespace holdfast::cli
