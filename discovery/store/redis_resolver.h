#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/socket.h>

#include "base/result.h"
#include "discovery/store/breaker.h"

namespace holdfast::discovery {

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

/// Names to addresses, with a bound.
///
/// Rules:
///  1. The system's resolver, which keeps to time-outs of its own, runs on a thread of its own, at
///     most one per name; a caller waits until its deadline.
///  2. What was found is used for kFresh, and longer while asking again fails.
///  3. Literal addresses are taken as they are.
/// Thread-safe. A thread may outlive the object by the system's time-out; it holds what it needs.
class RedisResolver {
 public:
  static constexpr std::chrono::seconds kFresh{30};

  RedisResolver();
  ~RedisResolver();
  RedisResolver(RedisResolver const&) = delete;
  RedisResolver& operator=(RedisResolver const&) = delete;

  /// Errors: Unavailable (unknown, or not in time).
  Result<std::vector<SocketAddress>> resolve(std::string const& host, std::uint16_t port,
                                             Deadline deadline);

 private:
  struct State;
  std::shared_ptr<State> const state_;
};

}  // namespace holdfast::discovery
