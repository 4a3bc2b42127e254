#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/ip_network.h"
#include "base/mutex.h"

namespace holdfast::discovery {

/// Looks names up on a few threads of its own, because the system's resolver blocks.
/// Bounds: kThreads look-ups at once, queue_max waiting; beyond, a name counts as unknown at once.
class Resolver {
 public:
  /// Blocks; returns the addresses of a name, empty if there are none. Called on several threads.
  using Lookup = std::function<std::vector<IpAddress>(std::string const& name)>;
  using Done = std::function<void(std::vector<IpAddress>)>;

  explicit Resolver(Lookup lookup = system_lookup, std::size_t queue_max = 256);
  ~Resolver();  ///< Waits for look-ups in hand; `done` of those that wait is not called.
  Resolver(Resolver const&) = delete;
  Resolver& operator=(Resolver const&) = delete;

  /// `done` comes on a thread of the resolver, or before this returns when the queue is full.
  void resolve(std::string name, Done done);

  /// getaddrinfo(); at most kAddressesMax, each once.
  static std::vector<IpAddress> system_lookup(std::string const& name);
  static constexpr std::size_t kAddressesMax = 16;

 private:
  static constexpr std::size_t kThreads = 4;
  void run();

  Lookup const lookup_;
  std::size_t const queue_max_;
  Mutex mutex_;
  CondVar work_;
  std::deque<std::pair<std::string, Done>> queue_ HOLDFAST_GUARDED_BY(mutex_);
  bool stopping_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace holdfast::discovery
