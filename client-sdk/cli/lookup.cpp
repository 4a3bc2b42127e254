#include <cstdio>
#include <set>

#include <nlohmann/json.hpp>

#include "base/mutex.h"
#include "cli/settings.h"
#include "cli/stop_signal.h"
#include "net/backoff.h"
#include "net/system_rng.h"

namespace holdfast::cli {
namespace {

nlohmann::json json_of(net::FoundEndpoint const& found, bool with_project) {
  nlohmann::json out{{"replicator", found.endpoint.replicator.hex()},
                     {"host", found.endpoint.host},
                     {"port", found.endpoint.port},
                     {"region", found.endpoint.region},
                     {"expires_in", found.endpoint.expires_in_s},
                     {"software", found.record.software}};
  if (with_project) out["proven"] = found.proven;
  return out;
}

std::string address_of(net::FoundEndpoint const& found) {
  return to_text(net::Address{found.endpoint.host, found.endpoint.port});
}

void print(net::Lookup const& found, Settings const& settings, bool with_project) {
  if (settings.json) {
    nlohmann::json endpoints = nlohmann::json::array();
    for (auto const& one : found.endpoints) endpoints.push_back(json_of(one, with_project));
    nlohmann::json const out{{"service", found.service}, {"endpoints", endpoints}};
    std::printf("%s\n", out.dump().c_str());
    return;
  }
  for (auto const& one : found.endpoints) {
    std::printf("%s  %s%s%s%s\n", address_of(one).c_str(), one.endpoint.replicator.hex().c_str(),
                one.endpoint.region.empty() ? "" : "  region ", one.endpoint.region.c_str(),
                one.proven ? "  proven" : "");
  }
}

/// What watch compares: who is where.
using Seen = std::set<std::pair<std::string, std::string>>;

Seen seen_in(net::Lookup const& found) {
  Seen out;
  for (auto const& one : found.endpoints) {
    out.emplace(address_of(one), one.endpoint.replicator.hex());
  }
  return out;
}

void print_change(char const* sign, std::pair<std::string, std::string> const& one, bool json) {
  if (json) {
    nlohmann::json const out{{"change", *sign == '+' ? "added" : "removed"},
                             {"address", one.first},
                             {"replicator", one.second}};
    std::printf("%s\n", out.dump().c_str());
  } else {
    std::printf("%s %s  %s\n", sign, one.first.c_str(), one.second.c_str());
  }
}

void print_changes(Seen const& before, Seen const& now, bool json) {
  for (auto const& one : before) {
    if (!now.contains(one)) print_change("-", one, json);
  }
  for (auto const& one : now) {
    if (!before.contains(one)) print_change("+", one, json);
  }
  std::fflush(stdout);
}

}  // namespace

Exit lookup(Settings const& settings, Arguments const& arguments) {
  Result<net::LookupQuery> const query = lookup_query(settings, arguments);
  if (!query) return complain(query.error()), Exit::Usage;
  Result<net::DiscoveryClientOptions> const options = discovery_options(settings);
  if (!options) return complain(options.error()), Exit::Usage;
  Result<std::unique_ptr<net::DiscoveryClient>> const client = net::DiscoveryClient::open(*options);
  if (!client) return complain(client.error());
  Result<net::Lookup> const found = (*client)->lookup(*query);
  if (!found) return complain(found.error());
  print(*found, settings, arguments.project);
  return Exit::Ok;
}

Exit watch(Settings const& settings, Arguments const& arguments) {
  Result<net::LookupQuery> const query = lookup_query(settings, arguments);
  if (!query) return complain(query.error()), Exit::Usage;
  Result<net::DiscoveryClientOptions> const options = discovery_options(settings);
  if (!options) return complain(options.error()), Exit::Usage;
  StopSignal stop;
  Result<std::unique_ptr<net::DiscoveryClient>> const client = net::DiscoveryClient::open(*options);
  if (!client) return complain(client.error());
  Mutex mutex;
  CondVar stopped;
  stop.on_stop([&] {
    (*client)->cancel();
    MutexLock const lock(mutex);
    stopped.notify_all();
  });
  Seen before;
  net::Backoff backoff({.base = arguments.interval});
  SeededRng rng = net::system_rng();
  while (!stop.came()) {
    Duration pause = arguments.interval;
    Result<net::Lookup> const found = (*client)->lookup(*query);
    if (stop.came()) break;
    if (found || found.error().code == ErrorCode::NotFound) {
      Seen const now = found ? seen_in(*found) : Seen{};
      print_changes(before, now, settings.json);
      before = now;
      backoff.reset();
    } else {
      complain(found.error());
      pause = backoff.next(rng, (*client)->failure().retry_after);
    }
    MutexLock const lock(mutex);
    if (!stop.came()) stopped.wait_for(mutex, pause);
  }
  stop.forget();
  return Exit::Ok;
}

}  // namespace holdfast::cli
