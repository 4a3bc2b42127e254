#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "discovery/store/redis_servers.h"
#include "discovery/store/store_codec.h"

namespace holdfast::discovery {

/// Listens to what happens in Redis and tells a StoreWatcher.
///
/// One connection to each server that holds data is subscribed to what scripts publish, and to the
/// invalidation of every key that names a hosting set (CLIENT TRACKING in broadcast mode, redirected
/// to the connection itself: RESP2 can be told things only on a subscribed connection).
///
/// Rules:
///  1. All connections stand and the table is read after that, or the watcher is told that things
///     were missed. A missed ping, a broken connection, other servers and a flushed Redis all mean
///     that.
///  2. In a cluster a message is heard from every server, and believed only from the one that holds
///     the slot of what it is about. Why: so that each counts once, and in order.
/// The watcher is called on this object's own thread only.
class RedisWatch {
 public:
  struct Table {
    std::vector<ReplicatorEntry> entries;
    std::uint64_t now_unix_ms = 0;  ///< When reading began.
    bool recovering = false;
  };
  struct Hooks {
    std::function<Result<Table>()> read_table;
    std::function<void(StoreEvent const&)> on_event;  ///< Before the watcher is told.
    std::function<void()> on_flushed;                 ///< A server lost its data, or may have.
  };

  RedisWatch(RedisServers& servers, RedisOptions const& options, RedisResolver& resolver,
             StoreWatcher& watcher, Hooks hooks);
  ~RedisWatch();
  RedisWatch(RedisWatch const&) = delete;
  RedisWatch& operator=(RedisWatch const&) = delete;

 private:
  struct Line {
    HostPort server;
    std::unique_ptr<RedisConnection> connection;
    Deadline next_ping{};
    bool is_awaiting_pong = false;
  };

  void run();
  bool is_stopping() HOLDFAST_EXCLUDES(mutex_);
  void pause(std::chrono::milliseconds time) HOLDFAST_EXCLUDES(mutex_);
  bool begin();
  Result<Line> open_line(HostPort const& server);
  void serve();
  bool keep_alive(Line& line, Deadline now);
  bool hear(Line& line);
  bool take(Line const& line, RedisReply const& reply);
  bool take_invalidation(RedisReply const& keys);
  void take_event(Line const& line, std::string_view bytes);
  void tell(StoreEvent const& event);

  RedisServers& servers_;
  RedisOptions const options_;
  RedisResolver& resolver_;
  StoreWatcher& watcher_;
  Hooks const hooks_;
  std::string const channel_;
  std::vector<Line> lines_;
  std::map<std::string, std::string> run_ids_;
  std::uint64_t version_ = 0;
  std::uint64_t table_unix_ms_ = 0;
  SeededRng rng_;
  Mutex mutex_;
  CondVar stopped_;
  bool stopping_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

/// Where scripts publish. Databases of one Redis share their channels, so the name tells them apart.
std::string channel_of(RedisOptions const& options);

}  // namespace holdfast::discovery
