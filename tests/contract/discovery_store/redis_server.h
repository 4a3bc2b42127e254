#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "discovery/store/redis_store.h"

namespace holdfast::discovery {

/// A real redis-server of this test's own, on a free port, without persistence, in a folder of its own.
/// Stopped, and its folder removed, at the end.
class RedisServer {
 public:
  RedisServer();
  ~RedisServer();
  RedisServer(RedisServer const&) = delete;
  RedisServer& operator=(RedisServer const&) = delete;

  RedisOptions options() const;

  /// Starts it (again), on the same port, and waits until it answers.
  void start();
  /// SIGKILL: everything in it is lost.
  void kill();
  void send_signal(int signal) const;
  /// Runs one command on a connection of its own and fails the test if Redis does not take it.
  void command(std::string const& verb) const;

 private:
  bool answers() const;

  std::string folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace holdfast::discovery
