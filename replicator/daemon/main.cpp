#include "replicator/daemon/app.h"

int main(int argc, char** argv) {
  holdfast::replicator::Config config;
  if (std::optional<int> const code = holdfast::replicator::parse_config(argc, argv, config))
    return *code;
  return holdfast::replicator::run(config);
}
