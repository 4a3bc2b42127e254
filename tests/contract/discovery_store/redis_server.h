#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "discovery/store/redis_reply.h"
#include "discovery/store/redis_store.h"

namespace holdfast::discovery {

/// A real redis-server of this test's own, on a free port, without persistence, in a folder of its
/// own. Stopped, and its folder removed, at the end.
class RedisServer {
 public:
  /// `arguments`: more of them, or a whole configuration file with "--sentinel" behind it.
  explicit RedisServer(std::vector<std::string> arguments = {});
  ~RedisServer();
  RedisServer(RedisServer const&) = delete;
  RedisServer& operator=(RedisServer const&) = delete;

  RedisOptions options() const;
  std::uint16_t port() const { return port_; }
  registration::HostPort address() const { return {"127.0.0.1", port_}; }

  /// Starts it (again), on the same port, and waits until it answers.
  void start();
  /// SIGKILL: everything in it is lost.
  void kill();
  void send_signal(int signal) const;
  /// Runs one command on a connection of its own. A refusal comes back as an Error.
  RedisReply ask(std::vector<std::string> words) const;
  /// As above, and fails the test if Redis does not take it.
  void command(std::vector<std::string> words) const;
  void command(std::string const& verb) const { command(std::vector<std::string>{verb}); }
  bool answers() const;

 private:
  std::string folder_;
  std::vector<std::string> arguments_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// A master, a replica of it, and three sentinels that watch them.
class SentinelFleet {
 public:
  SentinelFleet();
  RedisOptions options() const;
  std::uint16_t master_port() const;
  RedisServer& first() { return *servers_[0]; }
  RedisServer& second() { return *servers_[1]; }
  /// Waits until the sentinels name another master than `port`.
  void await_other_master(std::uint16_t port) const;

 private:
  std::vector<std::unique_ptr<RedisServer>> servers_;
  std::vector<std::unique_ptr<RedisServer>> sentinels_;
};

/// Three masters that share the slots.
class ClusterFleet {
 public:
  ClusterFleet();
  RedisOptions options() const;
  RedisServer& node(std::size_t index) { return *nodes_[index]; }
  /// Moves a slot, with its keys, from the node that holds it to another one. Returns: their indexes.
  void move_slot(std::uint16_t slot, std::size_t to);
  std::size_t holder_of(std::uint16_t slot) const;
  void flush();

 private:
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

}  // namespace holdfast::discovery
