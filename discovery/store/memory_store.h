#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Unix milliseconds.
using UnixClock = std::function<std::uint64_t()>;
/// The computer's clock.
UnixClock system_unix_clock();

/// The embedded default, for one instance: everything in this process, lost with it.
/// `clock`: the store's time; called with a lock held, from any thread.
/// Memory: bounded by StoreOptions; a listed key costs about 200 bytes.
std::unique_ptr<RecordStore> make_memory_store(StoreOptions options,
                                               UnixClock clock = system_unix_clock());

}  // namespace holdfast::discovery
