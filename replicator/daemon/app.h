#pragma once

#include <functional>

#include "replicator/daemon/config.h"
#include "store/rocksdb_store.h"

namespace holdfast::replicator {

/// Runs the node until a signal ends it. Blocks SIGTERM and SIGINT in every thread and waits for them itself.
/// `adjust_store`: last word on the store's options; tests put the store on other files with it.
/// Returns: the exit code. 1 with one line on stderr if it cannot start.
int run(Config const& config,
        std::function<void(store::RocksDbStore::Options&)> const& adjust_store = {});

}  // namespace holdfast::replicator
