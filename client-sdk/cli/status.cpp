#include <cstdio>
#include <sstream>
#include <string>

#include <httplib.h>
#include <nlohmann/json.hpp>

#include "cli/settings.h"
#include "net/address.h"

namespace holdfast::cli {
namespace {

/// Counters and gauges of ours from a Prometheus text: name with labels, value.
std::vector<std::pair<std::string, std::string>> own_metrics(std::string const& text) {
  std::vector<std::pair<std::string, std::string>> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::size_t const space = line.rfind(' ');
    bool const ours = line.starts_with("holdfast_") && space != std::string::npos;
    if (!ours || line.find("_bucket{") != std::string::npos) continue;
    out.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return out;
}

}  // namespace

Exit status(Settings const& settings, Arguments const& arguments) {
  Result<net::Address> const admin = net::parse_address(arguments.admin);
  if (!admin)
    return complain({ErrorCode::Malformed, "--admin: " + admin.error().detail}), Exit::Usage;
  httplib::Client client(admin->host, admin->port);
  client.set_connection_timeout(settings.timeout);
  client.set_read_timeout(settings.timeout);
  httplib::Result const ready = client.Get("/readyz");
  if (!ready) {
    return complain({ErrorCode::Unavailable, "no program answers at " + arguments.admin});
  }
  std::string reason = ready->body;
  while (!reason.empty() && reason.back() == '\n') reason.pop_back();
  bool const is_ready = ready->status == 200;
  httplib::Result const metrics = client.Get("/metrics");
  auto const figures = metrics ? own_metrics(metrics->body) : own_metrics("");
  if (settings.json) {
    nlohmann::json out{{"ready", is_ready}, {"reason", reason}};
    for (auto const& [name, value] : figures) out["metrics"][name] = value;
    std::printf("%s\n", out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s%s\n", is_ready ? "ready" : "not ready: ", is_ready ? "" : reason.c_str());
    for (auto const& [name, value] : figures) {
      std::printf("  %-60s %s\n", name.c_str(), value.c_str());
    }
  }
  return is_ready ? Exit::Ok : Exit::Unavailable;
}

}  // namespace holdfast::cli
