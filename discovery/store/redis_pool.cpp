#include "discovery/store/redis_pool.h"

#include <utility>

#include "discovery/store/redis_scripts.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;

Unexpected unavailable(char const* what) { return Unexpected(ErrorCode::Unavailable, what); }

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
      .count();
}

std::uint64_t seed_of(HostPort const& server) {
  return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()) ^ server.port;
}

bool is_error(RedisReply const& reply, std::string_view code) {
  return reply.kind == RedisReply::Kind::Error && reply.text.starts_with(code);
}

std::vector<RedisCommand> load_commands() {
  std::vector<RedisCommand> out;
  for (std::size_t i = 0; i < kScriptCount; ++i) {
    out.push_back({{"SCRIPT", "LOAD", std::string(script_text(static_cast<Script>(i)))}});
  }
  return out;
}

}  // namespace

RedisPool::RedisPool(HostPort server, RedisOptions const& options, RedisResolver& resolver,
                     bool must_be_master)
    : server_(std::move(server)),
      options_(options),
      resolver_(resolver),
      must_be_master_(must_be_master),
      breaker_(Breaker::Options{}),
      rng_(seed_of(server_)) {}

std::uint64_t RedisPool::estimated_unix_ms() const {
  std::int64_t const offset = clock_offset_ms_.load(std::memory_order_relaxed);
  return offset == 0 ? 0 : static_cast<std::uint64_t>(steady_ms() + offset);
}

void RedisPool::learn_time(std::uint64_t unix_ms) {
  if (unix_ms == 0) return;
  clock_offset_ms_.store(static_cast<std::int64_t>(unix_ms) - steady_ms(),
                         std::memory_order_relaxed);
}

Result<void> RedisPool::greet(RedisConnection& connection, Deadline deadline) {
  std::vector<RedisCommand> commands = load_commands();
  if (options_.database != 0) commands.push_back({{"SELECT", std::to_string(options_.database)}});
  commands.push_back({{"ROLE"}});
  commands.push_back({{"TIME"}});
  Result<std::vector<RedisReply>> const replies = connection.call(commands, deadline);
  if (!replies) return Unexpected(replies.error());
  for (RedisReply const& reply : *replies) {
    if (reply.kind == RedisReply::Kind::Error) {
      return Unexpected(ErrorCode::Unavailable, "Redis: " + reply.text);
    }
  }
  RedisReply const& time = replies->back();
  learn_time(time.at(0).number() * 1000 + time.at(1).number() / 1000);
  if (must_be_master_ && (*replies)[replies->size() - 2].at(0).text != "master") {
    return unavailable("this Redis is not the master");
  }
  return {};
}

Result<std::unique_ptr<RedisConnection>> RedisPool::open(Deadline deadline) {
  Result<std::unique_ptr<RedisConnection>> connection =
      RedisConnection::open(server_, resolver_, options_.reply_bytes_max, deadline);
  if (!connection) return connection;
  if (Result<void> const greeted = greet(**connection, deadline); !greeted) {
    return Unexpected(greeted.error());
  }
  return connection;
}

std::unique_ptr<RedisConnection> RedisPool::take_idle() {
  while (!idle_.empty()) {
    std::unique_ptr<RedisConnection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (connection->is_quiet()) return connection;
    --open_;  // Redis closed it while nobody used it: a restart, or its idle time-out.
  }
  return nullptr;
}

/// Returns: an idle connection, or none where a new one may be opened, which is counted already.
Result<RedisPool::Lent> RedisPool::await_turn(Deadline deadline) {
  while (true) {
    if (std::unique_ptr<RedisConnection> idle = take_idle()) return Lent{std::move(idle), epoch_};
    if (open_ < options_.connections_max) {
      ++open_;
      return Lent{nullptr, epoch_};
    }
    auto const now = Clock::now();
    if (now >= deadline) {
      breaker_.on_failure(now, rng_);
      return unavailable("all connections to Redis are busy");
    }
    returned_.wait_for(mutex_, deadline - now);
  }
}

Result<RedisPool::Lent> RedisPool::take(Deadline deadline) {
  Lent out;
  {
    MutexLock const lock(mutex_);
    if (waiters_ >= options_.waiters_max) return unavailable("too many calls wait for Redis");
    if (!breaker_.allow(Clock::now())) return unavailable("Redis did not answer a moment ago");
    ++waiters_;
    Result<Lent> turn = await_turn(deadline);
    --waiters_;
    if (!turn || turn->connection) return turn;
    out.epoch = turn->epoch;
  }
  Result<std::unique_ptr<RedisConnection>> connection = open(deadline);
  if (!connection) {
    give_back({}, /*is_broken=*/true);
    return Unexpected(connection.error());
  }
  out.connection = *std::move(connection);
  return out;
}

void RedisPool::give_back(Lent lent, bool is_broken) {
  std::unique_ptr<RedisConnection> closing;
  MutexLock const lock(mutex_);
  if (is_broken) {
    breaker_.on_failure(Clock::now(), rng_);
  } else {
    breaker_.on_success();
  }
  if (is_broken || lent.epoch != epoch_) {
    --open_;
    closing = std::move(lent.connection);
  } else {
    idle_.push_back(std::move(lent.connection));
  }
  returned_.notify_one();
}

void RedisPool::drop_connections() {
  std::vector<std::unique_ptr<RedisConnection>> closing;
  MutexLock const lock(mutex_);
  ++epoch_;
  open_ -= idle_.size();
  closing.swap(idle_);
  breaker_.on_success();
}

Result<std::vector<RedisReply>> RedisPool::ask(RedisConnection& connection,
                                               std::vector<RedisCommand>& commands,
                                               Deadline deadline) {
  std::string const now = std::to_string(estimated_unix_ms());
  for (RedisCommand& command : commands) {
    if (command.now_at != 0) command.words[command.now_at] = now;
  }
  Result<std::vector<RedisReply>> replies = connection.call(commands, deadline);
  if (!replies) return replies;
  std::vector<std::size_t> lost;
  for (std::size_t i = 0; i < replies->size(); ++i) {
    if (is_error((*replies)[i], "NOSCRIPT")) lost.push_back(i);
  }
  if (lost.empty()) return replies;
  std::vector<RedisCommand> again = load_commands();
  std::size_t const loads = again.size();
  for (std::size_t const i : lost) again.push_back(commands[i]);
  Result<std::vector<RedisReply>> second = connection.call(again, deadline);
  if (!second) return second;
  for (std::size_t i = 0; i < lost.size(); ++i) {
    (*replies)[lost[i]] = std::move((*second)[loads + i]);
  }
  return replies;
}

Result<std::vector<RedisReply>> RedisPool::call(std::vector<RedisCommand> commands,
                                                Deadline deadline) {
  Result<Lent> lent = take(deadline);
  if (!lent) return Unexpected(lent.error());
  Result<std::vector<RedisReply>> replies = ask(*lent->connection, commands, deadline);
  give_back(*std::move(lent), !replies.ok());
  return replies;
}

}  // namespace holdfast::discovery
