#include "discovery/server/metrics.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace holdfast::discovery {
namespace {

constexpr std::string_view kPrefix = "holdfast_discovery_";

/// Names of the families in the text of /metrics, without their common start.
std::set<std::string> families() {
  Metrics::Now now;
  now.lookups.top_talkers = {1};
  std::istringstream text(Metrics("1.2.3").text(now));
  std::string const start = "# TYPE " + std::string(kPrefix);
  std::set<std::string> out;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with(start))
      out.insert(line.substr(start.size(), line.find(' ', start.size()) - start.size()));
  }
  return out;
}

/// Names in the first column of the operators' table of metrics.
std::set<std::string> documented() {
  std::ifstream page(std::string(HOLDFAST_GOLDEN_DIR) + "/../../docs/operations/discovery.md");
  std::set<std::string> out;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("| metric |")) inside = true;
    if (line.empty()) inside = false;
    if (!inside || !line.starts_with("| `")) continue;
    std::string const names = line.substr(0, line.find('|', 1));
    for (std::size_t at = names.find('`'); at != std::string::npos;) {
      std::size_t const end = names.find('`', at + 1);
      std::string const name = names.substr(at + 1, end - at - 1);
      out.insert(name.substr(0, name.find('{')));
      at = names.find('`', end + 1);
    }
  }
  return out;
}

TEST(DiscoveryMetrics, TheOperatorsTableIsWhatThereIs) {
  EXPECT_GT(families().size(), 20u);
  EXPECT_EQ(documented(), families());
}

}  // namespace
}  // namespace holdfast::discovery
