#include "replicator/daemon/metrics.h"

#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace holdfast::replicator {
namespace {

TEST(Metrics, EveryFamilyIsInTheOperatorsList) {
  std::ifstream file(std::string(HOLDFAST_GOLDEN_DIR) + "/../../docs/operations/replicator.md");
  std::stringstream list;
  list << file.rdbuf();
  std::istringstream text(to_prometheus({}));
  std::string line;
  std::size_t families = 0;
  std::string const prefix = "# TYPE holdfast_replicator_";
  while (std::getline(text, line)) {
    if (line.rfind(prefix, 0) != 0) continue;
    std::string const name =
        line.substr(prefix.size(), line.find(' ', prefix.size()) - prefix.size());
    EXPECT_NE(list.str().find("`" + name), std::string::npos) << name << " is not documented";
    ++families;
  }
  EXPECT_GT(families, 20u);
}

TEST(Metrics, ShowsWhatWasCounted) {
  MetricsSnapshot snapshot;
  snapshot.host.sync.bad_capability = 3;
  snapshot.projects = 7;
  std::string const text = to_prometheus(snapshot);
  EXPECT_NE(text.find("holdfast_replicator_peers_refused_total{reason=\"bad_capability\"} 3"),
            std::string::npos);
  EXPECT_NE(text.find("holdfast_replicator_projects 7"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::replicator
