#include <memory>

#include "replicator/daemon/app.h"
#include "support/unsynced_file_system.h"

/// holdfast-replicator, flag for flag, whose store is on an UnsyncedDisk: kill -9 takes with it whatever was not synced.
int main(int argc, char** argv) {
  holdfast::replicator::Config config;
  if (std::optional<int> const code = holdfast::replicator::parse_config(argc, argv, config))
    return *code;
  std::unique_ptr<holdfast::support::UnsyncedDisk> disk;
  return holdfast::replicator::run(
      config, [&disk](holdfast::store::RocksDbStore::Options& options) {
        std::filesystem::create_directories(options.directory);
        disk = std::make_unique<holdfast::support::UnsyncedDisk>(options.directory);
        options.env = disk->env();
      });
}
