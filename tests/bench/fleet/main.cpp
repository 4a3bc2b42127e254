// holdfast-fleet: thousands of replicators in one process, for benchmarks and fault tests of the discovery service.
#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>

#include <sys/resource.h>

#include "config/command_line.h"
#include "fleet.h"

namespace {

/// Two descriptors for each replicator: its listener and its connection to the service.
void raise_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void say(char const* text) {
  std::puts(text);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace holdfast;
  bench::FleetOptions options;
  std::string keys_file;
  CommandLine line(
      {.name = "holdfast-fleet",
       .version = "0",
       .description = "Registers many replicators that answer self-tests and hold no data.",
       .footer = "Commands on stdin: renew SECONDS (all leases once, spread over that time), "
                 "vanish N (the first N stop\nanswering), quit. Each is answered with a line.\n"});
  line.add("discovery", options.discovery, "URL", "service to register with");
  line.add("pin", options.pin, "SHA256", "of its certificate");
  line.add("replicators", options.replicators, "N", "how many");
  line.add("keys", options.keys, "N", "registry keys, all together");
  line.add("proofs", options.proofs, "list every key with a keyholder proof");
  line.add("seed", options.seed, "N", "other identities and keys");
  line.add("threads", options.threads, "N", "requests at a time");
  line.add("keys-file", keys_file, "F", "write the registry keys there, a line each");
  if (std::optional<int> const code = line.parse(argc, argv)) return *code;
  raise_file_limit();
  std::signal(SIGPIPE, SIG_IGN);  // A service that was killed is an error to report.
  if (!init_crypto()) return 1;
  bench::Fleet fleet(options);
  Result<void> joined = fleet.join();
  if (joined && !keys_file.empty()) joined = fleet.write_keys(keys_file);
  if (!joined) {
    std::fprintf(stderr, "holdfast-fleet: %s\n", joined.error().detail.c_str());
    return 1;
  }
  say("joined");
  std::string command;
  std::uint64_t number = 0;
  while (std::cin >> command && command != "quit") {
    if (!(std::cin >> number)) break;
    if (command == "vanish") {
      fleet.vanish(number);
      say("vanished");
    } else if (command == "renew") {
      std::uint64_t const failed = fleet.renew_all(Duration(number * 1'000));
      say(("renewed, failed " + std::to_string(failed)).c_str());
    } else {
      say("unknown command");
    }
  }
  return 0;
}
