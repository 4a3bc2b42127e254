#include "discovery/store/redis_watch.h"

#include <algorithm>
#include <utility>

#include <poll.h>

#include "discovery/store/redis_keys.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kInvalidations = "__redis__:invalidate";
constexpr std::chrono::milliseconds kGlance{50};  // How long a stop may go unnoticed.

std::uint64_t seed_now() {
  return static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
}

std::string run_id_in(std::string_view info) {
  constexpr std::string_view kName = "run_id:";
  std::size_t const start = info.find(kName);
  if (start == std::string_view::npos) return {};
  std::string_view const rest = info.substr(start + kName.size());
  return std::string(rest.substr(0, rest.find('\r')));
}

/// The slot of what an event is about.
std::uint16_t slot_of_event(StoreEvent const& event) {
  struct Visitor {
    std::uint16_t operator()(EntryEvent const& what) const { return slot(what.entry.id); }
    std::uint16_t operator()(RenewedEvent const& what) const { return slot(what.id); }
    std::uint16_t operator()(GoneEvent const& what) const { return slot(what.id); }
    std::uint16_t operator()(AssignmentEvent const& what) const { return slot(what.id); }
    std::uint16_t operator()(SharedEvent const& what) const {
      return slot_of(shared_key(what.kind));
    }
    static std::uint16_t slot(PublicKey const& id) { return slot_of(ReplicatorKeys(id).record); }
  };
  return std::visit(Visitor{}, event.what);
}

}  // namespace

std::string channel_of(RedisOptions const& options) {
  return "holdfast:events:" + std::to_string(options.database);
}

RedisWatch::RedisWatch(RedisServers& servers, RedisOptions const& options, RedisResolver& resolver,
                       StoreWatcher& watcher, Hooks hooks)
    : servers_(servers),
      options_(options),
      resolver_(resolver),
      watcher_(watcher),
      hooks_(std::move(hooks)),
      channel_(channel_of(options)),
      rng_(seed_now()),
      thread_([this] { run(); }) {}

RedisWatch::~RedisWatch() {
  {
    MutexLock const lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
  }
  thread_.join();
}

bool RedisWatch::is_stopping() {
  MutexLock const lock(mutex_);
  return stopping_;
}

void RedisWatch::pause(std::chrono::milliseconds time) {
  Deadline const end = Clock::now() + time;
  MutexLock const lock(mutex_);
  while (!stopping_) {
    auto const now = Clock::now();
    if (now >= end) return;
    stopped_.wait_for(mutex_, end - now);
  }
}

void RedisWatch::run() {
  constexpr std::uint64_t kPauseMin = 20;
  constexpr std::uint64_t kPauseMax = 1'000;
  std::uint64_t ceiling = kPauseMin;
  while (!is_stopping()) {
    if (begin()) {
      ceiling = kPauseMin;
      serve();
      lines_.clear();
      if (!is_stopping()) watcher_.on_lost();
    } else {
      lines_.clear();
      ceiling = std::min(ceiling * 2, kPauseMax);
    }
    pause(std::chrono::milliseconds(ceiling / 2 + rng_.below(ceiling / 2)));
  }
}

Result<RedisWatch::Line> RedisWatch::open_line(HostPort const& server) {
  Deadline const deadline = Clock::now() + options_.timeout;
  auto connection = RedisConnection::open(server, resolver_, options_.reply_bytes_max, deadline);
  if (!connection) return Unexpected(connection.error());
  RedisConnection& line = **connection;
  Result<RedisReply> const id = line.call_one({"CLIENT", "ID"}, deadline);
  if (!id) return Unexpected(id.error());
  Result<RedisReply> const info = line.call_one({"INFO", "server"}, deadline);
  if (!info) return Unexpected(info.error());
  std::string const run_id = run_id_in(info->text);
  std::string& known = run_ids_[name_of(server)];
  if (!known.empty() && known != run_id) hooks_.on_flushed();
  known = run_id;
  Result<RedisReply> const tracking =
      line.call_one({"CLIENT", "TRACKING", "ON", "REDIRECT", std::to_string(id->number()), "BCAST",
                     "PREFIX", std::string(kHostingPrefix)},
                    deadline);
  if (!tracking) return Unexpected(tracking.error());
  if (tracking->kind == RedisReply::Kind::Error) {
    return Unexpected(ErrorCode::Unavailable, "Redis: " + tracking->text);
  }
  Result<void> const sent =
      line.send({"SUBSCRIBE", std::string(kInvalidations), channel_}, deadline);
  if (!sent) return Unexpected(sent.error());
  // The answer to a ping comes after both subscriptions stand.
  if (Result<void> const pinged = line.send({"PING"}, deadline); !pinged) {
    return Unexpected(pinged.error());
  }
  Line out;
  out.server = server;
  out.connection = *std::move(connection);
  out.is_awaiting_pong = true;
  out.next_ping = Clock::now() + options_.ping_every;
  while (Clock::now() < deadline) {
    Result<std::optional<RedisReply>> const reply = out.connection->poll();
    if (!reply) return Unexpected(reply.error());
    if (!*reply) {
      pollfd waiting{.fd = out.connection->descriptor(), .events = POLLIN, .revents = 0};
      ::poll(&waiting, 1, 10);
    } else if ((*reply)->at(0).text == "pong") {
      out.is_awaiting_pong = false;
      return out;
    }
  }
  return Unexpected(ErrorCode::Unavailable, "Redis did not answer in time");
}

/// Returns: whether all lines stand and the watcher knows the table.
bool RedisWatch::begin() {
  version_ = servers_.version();
  Result<std::vector<HostPort>> const servers = servers_.masters(Clock::now() + options_.timeout);
  if (!servers) return false;
  version_ = servers_.version();
  for (HostPort const& server : *servers) {
    Result<Line> line = open_line(server);
    if (!line) return false;
    lines_.push_back(*std::move(line));
  }
  Result<Table> table = hooks_.read_table();
  if (!table || servers_.version() != version_) return false;
  table_unix_ms_ = servers_.is_one() ? table->now_unix_ms : 0;
  watcher_.on_table(std::move(table->entries), table->now_unix_ms, table->recovering);
  return true;
}

void RedisWatch::serve() {
  while (!is_stopping()) {
    std::vector<pollfd> waiting;
    for (Line const& line : lines_) {
      waiting.push_back({.fd = line.connection->descriptor(), .events = POLLIN, .revents = 0});
    }
    ::poll(waiting.data(), waiting.size(), static_cast<int>(kGlance.count()));
    auto const now = Clock::now();
    for (Line& line : lines_) {
      if (!hear(line) || !keep_alive(line, now)) return;
    }
    if (servers_.version() != version_) return;
  }
}

/// Returns: false when an answer to a ping is missing.
bool RedisWatch::keep_alive(Line& line, Deadline now) {
  if (now < line.next_ping) return true;
  if (line.is_awaiting_pong) return false;
  line.is_awaiting_pong = true;
  line.next_ping = now + options_.ping_every;
  return line.connection->send({"PING"}, now + options_.timeout).ok();
}

/// Returns: false when things were missed.
bool RedisWatch::hear(Line& line) {
  while (true) {
    Result<std::optional<RedisReply>> const reply = line.connection->poll();
    if (!reply) return false;
    if (!*reply) return true;
    if ((*reply)->at(0).text == "pong") {
      line.is_awaiting_pong = false;
    } else if (!take(line, **reply)) {
      return false;
    }
  }
}

bool RedisWatch::take(Line const& line, RedisReply const& reply) {
  if (reply.at(0).text != "message") return true;
  if (reply.at(1).text == kInvalidations) return take_invalidation(reply.at(2));
  take_event(line, reply.at(2).text);
  return true;
}

bool RedisWatch::take_invalidation(RedisReply const& keys) {
  if (keys.kind != RedisReply::Kind::Array) {  // All keys: somebody flushed.
    hooks_.on_flushed();
    return false;
  }
  for (RedisReply const& key : keys.items) {
    if (!key.text.starts_with(kHostingPrefix)) continue;
    auto const name = as_bytes(std::string_view(key.text).substr(kHostingPrefix.size()));
    if (auto const found = DiscoveryKey::from(name)) watcher_.on_hosting(*found);
  }
  return true;
}

void RedisWatch::take_event(Line const& line, std::string_view bytes) {
  Result<StoreEvent> const event = decode_event(bytes);
  if (!event) return;
  if (!servers_.is_one() && servers_.owner_of(slot_of_event(*event)) != line.server) return;
  // What happened before the table was read is in the table.
  if (event->now_unix_ms != 0 && event->now_unix_ms < table_unix_ms_) return;
  hooks_.on_event(*event);
  tell(*event);
}

void RedisWatch::tell(StoreEvent const& event) {
  struct Teller {
    StoreWatcher& to;
    std::uint64_t now;
    void operator()(EntryEvent const& what) const { to.on_replicator(what.entry, now); }
    void operator()(RenewedEvent const& what) const {
      to.on_renewed(what.id, what.state, what.load, what.lease_left, now);
    }
    void operator()(GoneEvent const& what) const { to.on_gone(what.id); }
    void operator()(AssignmentEvent const& what) const { to.on_assignment(what.id); }
    void operator()(SharedEvent const& what) const { to.on_shared(what.kind); }
  };
  std::visit(Teller{watcher_, event.now_unix_ms}, event.what);
}

}  // namespace holdfast::discovery
