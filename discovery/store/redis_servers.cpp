#include "discovery/store/redis_servers.h"

#include <charconv>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace holdfast::discovery {

namespace {

/// What a server says that is not, or no longer, the master; or not yet able to answer.
bool is_elsewhere(RedisReply const& reply) {
  if (reply.kind != RedisReply::Kind::Error) return false;
  return reply.text.starts_with("READONLY") || reply.text.starts_with("MASTERDOWN");
}

std::vector<RedisCommand> commands_of(std::vector<RoutedCommand> const& routed) {
  std::vector<RedisCommand> out;
  out.reserve(routed.size());
  for (RoutedCommand const& command : routed) out.push_back(command.command);
  return out;
}

/// One server: the one that is named, or the one that sentinels name.
class OneServer final : public RedisServers {
 public:
  OneServer(RedisOptions const& options, RedisResolver& resolver)
      : options_(options), resolver_(resolver) {
    if (!has_sentinels()) pool_ = make_pool(options.servers.front());
  }

  Result<std::vector<RedisReply>> call(std::vector<RoutedCommand> const& commands,
                                       Deadline deadline) override {
    return call(commands_of(commands), deadline);
  }
  Result<std::vector<RedisReply>> call_at(HostPort const& /*server*/,
                                          std::vector<RedisCommand> const& commands,
                                          Deadline deadline) override {
    return call(commands, deadline);
  }
  Result<std::vector<HostPort>> masters(Deadline deadline) override {
    Result<std::shared_ptr<RedisPool>> const pool = find_master(deadline);
    if (!pool) return Unexpected(pool.error());
    return std::vector<HostPort>{(*pool)->server()};
  }
  HostPort owner_of(std::uint16_t /*slot*/) override {
    std::shared_ptr<RedisPool> const known = pool();
    return known ? known->server() : HostPort{};
  }
  std::uint64_t version() override {
    MutexLock const lock(mutex_);
    return version_;
  }
  void look_around(Deadline deadline) override {
    if (!has_sentinels()) return;
    if (Result<HostPort> const master = ask_sentinels(deadline); master) set_master(*master);
  }
  bool is_one() const override { return true; }
  void learn_time(std::uint16_t /*slot*/, std::uint64_t unix_ms) override {
    if (std::shared_ptr<RedisPool> const known = pool(); known) known->learn_time(unix_ms);
  }
  std::uint64_t estimated_unix_ms(std::uint16_t /*slot*/) override {
    std::shared_ptr<RedisPool> const known = pool();
    return known ? known->estimated_unix_ms() : 0;
  }

 private:
  bool has_sentinels() const { return options_.kind == RedisOptions::Kind::Sentinel; }
  std::shared_ptr<RedisPool> make_pool(HostPort const& server) {
    return std::make_shared<RedisPool>(server, options_, resolver_, has_sentinels());
  }
  std::shared_ptr<RedisPool> pool() HOLDFAST_EXCLUDES(mutex_) {
    MutexLock const lock(mutex_);
    return pool_;
  }
  Result<std::vector<RedisReply>> call(std::vector<RedisCommand> const& commands,
                                       Deadline deadline);
  Result<std::shared_ptr<RedisPool>> find_master(Deadline deadline) HOLDFAST_EXCLUDES(mutex_);
  Result<HostPort> ask_sentinels(Deadline deadline);
  std::shared_ptr<RedisPool> set_master(HostPort const& master) HOLDFAST_EXCLUDES(mutex_);
  /// It failed us: the sentinels are asked before it is used again.
  void doubt_master(std::shared_ptr<RedisPool> const& pool) HOLDFAST_EXCLUDES(mutex_);

  RedisOptions const options_;
  RedisResolver& resolver_;
  Mutex mutex_;
  std::shared_ptr<RedisPool> pool_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint64_t version_ HOLDFAST_GUARDED_BY(mutex_) = 1;
  CondVar asked_;
  bool is_in_doubt_ HOLDFAST_GUARDED_BY(mutex_) = false;
  bool is_asking_ HOLDFAST_GUARDED_BY(mutex_) = false;
  Deadline ask_again_ HOLDFAST_GUARDED_BY(mutex_){};
};

Result<HostPort> OneServer::ask_sentinels(Deadline deadline) {
  for (HostPort const& sentinel : options_.servers) {
    // One that hangs must leave time for the others.
    auto const now = std::chrono::steady_clock::now();
    Deadline const soon = std::min(deadline, now + options_.timeout / 3);
    if (now >= deadline) break;
    Result<std::unique_ptr<RedisConnection>> const connection =
        RedisConnection::open(sentinel, resolver_, options_.reply_bytes_max, soon);
    if (!connection) continue;
    Result<RedisReply> const reply =
        (*connection)->call_one({"SENTINEL", "get-master-addr-by-name", options_.master}, soon);
    if (!reply || reply->items.size() != 2) continue;
    std::uint64_t const port = reply->at(1).number();
    if (port == 0 || port > 65'535) continue;
    return HostPort{reply->at(0).text, static_cast<std::uint16_t>(port)};
  }
  return Unexpected(ErrorCode::Unavailable, "no sentinel knows a master");
}

std::shared_ptr<RedisPool> OneServer::set_master(HostPort const& master) {
  MutexLock const lock(mutex_);
  is_in_doubt_ = false;
  // The same server keeps its pool, for the breaker in it knows what it is like.
  if (pool_ && pool_->server() == master) return pool_;
  pool_ = make_pool(master);
  ++version_;
  return pool_;
}

void OneServer::doubt_master(std::shared_ptr<RedisPool> const& pool) {
  MutexLock const lock(mutex_);
  if (has_sentinels() && pool_ == pool) is_in_doubt_ = true;
}

Result<std::shared_ptr<RedisPool>> OneServer::find_master(Deadline deadline) {
  {
    MutexLock const lock(mutex_);
    // One caller asks and, if nothing is known, the others wait for it, instead of all storming the
    // sentinels.
    while (!pool_ && is_asking_) {
      auto const now = std::chrono::steady_clock::now();
      if (now >= deadline) break;
      asked_.wait_for(mutex_, deadline - now);
    }
    auto const now = std::chrono::steady_clock::now();
    bool const must_not_ask = is_asking_ || now < ask_again_;
    if (pool_ && (!is_in_doubt_ || must_not_ask)) return pool_;
    if (must_not_ask) {
      return Unexpected(ErrorCode::Unavailable, "no master was found just now");
    }
    is_asking_ = true;
  }
  constexpr std::chrono::milliseconds kPause{50};
  Result<HostPort> const master = ask_sentinels(deadline);
  std::shared_ptr<RedisPool> const pool = master ? set_master(*master) : this->pool();
  MutexLock const lock(mutex_);
  is_asking_ = false;
  ask_again_ = std::chrono::steady_clock::now() + kPause;
  asked_.notify_all();
  if (!pool) return Unexpected(master.error());
  return pool;
}

Result<std::vector<RedisReply>> OneServer::call(std::vector<RedisCommand> const& commands,
                                                Deadline deadline) {
  Result<std::shared_ptr<RedisPool>> const pool = find_master(deadline);
  if (!pool) return Unexpected(pool.error());
  Result<std::vector<RedisReply>> replies = (*pool)->call(commands, deadline);
  if (!replies) {
    doubt_master(*pool);
    return replies;
  }
  for (RedisReply const& reply : *replies) {
    if (!is_elsewhere(reply)) continue;
    (*pool)->drop_connections();
    doubt_master(*pool);
    return Unexpected(ErrorCode::Unavailable, "this Redis is not the master any more");
  }
  return replies;
}

}  // namespace

std::string name_of(HostPort const& server) {
  return server.host + ' ' + std::to_string(server.port);
}

std::unique_ptr<RedisServers> make_redis_servers(RedisOptions const& options,
                                                 RedisResolver& resolver) {
  if (options.kind == RedisOptions::Kind::Cluster) return make_redis_cluster(options, resolver);
  return std::make_unique<OneServer>(options, resolver);
}

}  // namespace holdfast::discovery
