#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

enum class StoreCall : std::uint8_t {
  Put,
  Renew,
  SetHealth,
  ChangeProjects,
  Deregister,
  Hosting,
  List,
  Find,
  Nonce,
  Time,
  Claim,
  Assignments,
  Peers,
  Shared
};
inline constexpr std::size_t kStoreCallCount = 14;
std::string_view name_of(StoreCall call);

enum class StoreResult : std::uint8_t {
  Done,
  Refused,      ///< The store answered, and said no.
  Unavailable,  ///< It did not answer, or not in time.
};
inline constexpr std::size_t kStoreResultCount = 3;
std::string_view name_of(StoreResult result);

/// Told after each call. Called on the caller's thread, from many at once.
class StoreObserver {
 public:
  virtual ~StoreObserver() = default;
  virtual void on_call(StoreCall call, StoreResult result, std::chrono::microseconds took) = 0;
};

/// `inner`, with every call measured. `observer` outlives it.
std::unique_ptr<RecordStore> observe_store(std::unique_ptr<RecordStore> inner,
                                           StoreObserver& observer);

}  // namespace holdfast::discovery
