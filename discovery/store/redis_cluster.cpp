#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "discovery/store/redis_keys.h"
#include "discovery/store/redis_servers.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;
using Pool = std::shared_ptr<RedisPool>;

Unexpected unavailable(char const* what) { return Unexpected(ErrorCode::Unavailable, what); }

/// "MOVED 3999 127.0.0.1:6381" and its like.
struct Redirect {
  enum class Kind : std::uint8_t { Moved, Ask, TryAgain, Down };
  Kind kind = Kind::Down;
  std::uint16_t slot = 0;
  HostPort server;
};

std::optional<std::uint64_t> number_in(std::string_view text, std::uint64_t max) {
  std::uint64_t out = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || out > max) return std::nullopt;
  return out;
}

std::optional<Redirect> redirect_of(RedisReply const& reply, HostPort const& asked) {
  if (reply.kind != RedisReply::Kind::Error) return std::nullopt;
  std::string_view const text = reply.text;
  if (text.starts_with("TRYAGAIN")) return Redirect{Redirect::Kind::TryAgain, 0, {}};
  if (text.starts_with("CLUSTERDOWN") || text.starts_with("READONLY") ||
      text.starts_with("MASTERDOWN") || text.starts_with("LOADING")) {
    return Redirect{};
  }
  bool const is_moved = text.starts_with("MOVED ");
  if (!is_moved && !text.starts_with("ASK ")) return std::nullopt;
  Redirect out;
  std::size_t const first = text.find(' ') + 1;
  std::size_t const second = text.find(' ', first);
  std::size_t const colon = text.rfind(':');
  if (second == std::string_view::npos || colon == std::string_view::npos || colon <= second) {
    return Redirect{};
  }
  auto const slot = number_in(text.substr(first, second - first), kSlotCount - 1);
  auto const port = number_in(text.substr(colon + 1), 65'535);
  if (!slot || !port || *port == 0) return Redirect{};
  out.kind = is_moved ? Redirect::Kind::Moved : Redirect::Kind::Ask;
  out.slot = static_cast<std::uint16_t>(*slot);
  out.server.host = text.substr(second + 1, colon - second - 1);
  out.server.port = static_cast<std::uint16_t>(*port);
  if (out.server.host.empty()) out.server.host = asked.host;
  return out;
}

/// Who holds which slot. Learnt at the first call, from redirections, and by look_around(): a call never waits
/// for a map because some server does not answer, for that would make those wait that do not need it.
using Owners = std::vector<Pool>;

class Cluster final : public RedisServers {
 public:
  Cluster(RedisOptions const& options, RedisResolver& resolver)
      : options_(options), resolver_(resolver) {}

  Result<std::vector<RedisReply>> call(std::vector<RoutedCommand> const& commands,
                                       Deadline deadline) override;
  Result<std::vector<RedisReply>> call_at(HostPort const& server,
                                          std::vector<RedisCommand> const& commands,
                                          Deadline deadline) override {
    return pool_of(server)->call(commands, deadline);
  }
  Result<std::vector<HostPort>> masters(Deadline deadline) override;
  HostPort owner_of(std::uint16_t slot) override {
    Pool const pool = owner(slot);
    return pool ? pool->server() : HostPort{};
  }
  std::uint64_t version() override {
    MutexLock const lock(mutex_);
    return version_;
  }
  void look_around(Deadline deadline) override { refresh(deadline); }
  bool is_one() const override { return false; }
  void learn_time(std::uint16_t slot, std::uint64_t unix_ms) override {
    if (Pool const pool = owner(slot); pool) pool->learn_time(unix_ms);
  }
  std::uint64_t estimated_unix_ms(std::uint16_t slot) override {
    Pool const pool = owner(slot);
    return pool ? pool->estimated_unix_ms() : 0;
  }

 private:
  /// Commands of one call that go to one server.
  struct Group {
    Pool pool;
    bool is_asking = false;
    std::vector<std::size_t> indexes;
  };

  /// What is not done after a round.
  struct Rest {
    std::vector<std::size_t> open;
    std::vector<Group> asking;
    bool must_wait = false;
    bool is_down = false;
  };

  Pool owner(std::uint16_t slot) HOLDFAST_EXCLUDES(mutex_) {
    MutexLock const lock(mutex_);
    return owners_.empty() ? nullptr : owners_[slot];
  }
  Pool pool_of(HostPort const& server) HOLDFAST_EXCLUDES(mutex_) {
    MutexLock const lock(mutex_);
    return pool_locked(server);
  }
  Pool pool_locked(HostPort const& server) HOLDFAST_REQUIRES(mutex_);
  bool has_map() HOLDFAST_EXCLUDES(mutex_) {
    MutexLock const lock(mutex_);
    return !owners_.empty();
  }
  bool refresh(Deadline deadline) HOLDFAST_EXCLUDES(mutex_);
  void ask_for_map(Deadline deadline) HOLDFAST_EXCLUDES(mutex_);
  bool learn_map(RedisReply const& reply, HostPort const& asked) HOLDFAST_EXCLUDES(mutex_);
  std::vector<HostPort> known_servers() HOLDFAST_EXCLUDES(mutex_);
  Result<std::vector<Group>> group(std::vector<RoutedCommand> const& commands,
                                   std::vector<std::size_t> const& open) HOLDFAST_EXCLUDES(mutex_);
  Result<void> send(Group const& group, std::vector<RoutedCommand> const& commands,
                    std::vector<RedisReply>& replies, Deadline deadline);
  void look_through(Group const& group, std::vector<RedisReply> const& replies, Rest& rest)
      HOLDFAST_EXCLUDES(mutex_);
  Result<Rest> send_round(std::vector<std::size_t> const& open,
                          std::vector<RoutedCommand> const& commands,
                          std::vector<RedisReply>& replies, Deadline deadline)
      HOLDFAST_EXCLUDES(mutex_);
  void follow(Redirect const& redirect) HOLDFAST_EXCLUDES(mutex_);

  RedisOptions const options_;
  RedisResolver& resolver_;
  Mutex mutex_;
  std::map<std::string, Pool> pools_ HOLDFAST_GUARDED_BY(mutex_);
  Owners owners_ HOLDFAST_GUARDED_BY(mutex_);
  std::uint64_t version_ HOLDFAST_GUARDED_BY(mutex_) = 1;
  CondVar refreshed_;
  bool is_refreshing_ HOLDFAST_GUARDED_BY(mutex_) = false;
  Deadline refresh_again_ HOLDFAST_GUARDED_BY(mutex_){};
};

Pool Cluster::pool_locked(HostPort const& server) {
  Pool& pool = pools_[name_of(server)];
  if (!pool) {
    pool = std::make_shared<RedisPool>(server, options_, resolver_, /*must_be_master=*/false);
  }
  return pool;
}

std::vector<HostPort> Cluster::known_servers() {
  std::vector<HostPort> out;
  MutexLock const lock(mutex_);
  for (Pool const& pool : owners_) {
    if (pool && std::find(out.begin(), out.end(), pool->server()) == out.end()) {
      out.push_back(pool->server());
    }
  }
  for (HostPort const& server : options_.servers) {
    if (std::find(out.begin(), out.end(), server) == out.end()) out.push_back(server);
  }
  return out;
}

/// One thread asks, the others wait for it. Returns: whether there is a map that may be used.
bool Cluster::refresh(Deadline deadline) {
  constexpr std::chrono::milliseconds kPause{50};
  {
    MutexLock const lock(mutex_);
    if (is_refreshing_ || Clock::now() < refresh_again_) {
      while (is_refreshing_) {
        auto const now = Clock::now();
        if (now >= deadline) break;
        refreshed_.wait_for(mutex_, deadline - now);
      }
      return !owners_.empty();
    }
    is_refreshing_ = true;
  }
  ask_for_map(deadline);
  MutexLock const lock(mutex_);
  is_refreshing_ = false;
  refresh_again_ = Clock::now() + kPause;
  refreshed_.notify_all();
  return !owners_.empty();
}

void Cluster::ask_for_map(Deadline deadline) {
  for (HostPort const& server : known_servers()) {
    auto const now = Clock::now();
    if (now >= deadline) return;
    Deadline const soon = std::min(deadline, now + options_.timeout / 3);
    // A connection of its own: a pool whose breaker is open must not keep us from asking.
    auto const connection =
        RedisConnection::open(server, resolver_, options_.reply_bytes_max, soon);
    if (!connection) continue;
    Result<RedisReply> const reply = (*connection)->call_one({"CLUSTER", "SLOTS"}, soon);
    if (reply && learn_map(*reply, server)) return;
  }
}

bool Cluster::learn_map(RedisReply const& reply, HostPort const& asked) {
  if (reply.kind != RedisReply::Kind::Array || reply.items.empty()) return false;
  MutexLock const lock(mutex_);
  Owners owners(kSlotCount);
  for (RedisReply const& range : reply.items) {
    std::uint64_t const first = range.at(0).number();
    std::uint64_t const last = range.at(1).number();
    std::uint64_t const port = range.at(2).at(1).number();
    if (first > last || last >= kSlotCount || port == 0 || port > 65'535) return false;
    HostPort server{range.at(2).at(0).text, static_cast<std::uint16_t>(port)};
    if (server.host.empty()) server.host = asked.host;
    Pool const pool = pool_locked(server);
    for (std::uint64_t slot = first; slot <= last; ++slot) owners[slot] = pool;
  }
  if (owners != owners_) ++version_;
  owners_ = std::move(owners);
  return true;
}

Result<std::vector<HostPort>> Cluster::masters(Deadline deadline) {
  if (!has_map() && !refresh(deadline)) return unavailable("no server of the cluster answers");
  std::vector<HostPort> out;
  MutexLock const lock(mutex_);
  for (Pool const& pool : owners_) {
    if (!pool) return unavailable("a slot of the cluster has no server");
    if (std::find(out.begin(), out.end(), pool->server()) == out.end()) {
      out.push_back(pool->server());
    }
  }
  return out;
}

Result<std::vector<Cluster::Group>> Cluster::group(std::vector<RoutedCommand> const& commands,
                                                   std::vector<std::size_t> const& open) {
  std::vector<Group> out;
  MutexLock const lock(mutex_);
  for (std::size_t const index : open) {
    Pool const& pool = owners_[commands[index].slot];
    if (!pool) return unavailable("a slot of the cluster has no server");
    auto found = std::find_if(out.begin(), out.end(),
                              [&pool](Group const& group) { return group.pool == pool; });
    if (found == out.end()) found = out.insert(out.end(), Group{pool, false, {}});
    found->indexes.push_back(index);
  }
  return out;
}

Result<void> Cluster::send(Group const& group, std::vector<RoutedCommand> const& commands,
                           std::vector<RedisReply>& replies, Deadline deadline) {
  std::vector<RedisCommand> out;
  for (std::size_t const index : group.indexes) {
    if (group.is_asking) out.push_back({{"ASKING"}});
    out.push_back(commands[index].command);
  }
  Result<std::vector<RedisReply>> got = group.pool->call(std::move(out), deadline);
  if (!got) return Unexpected(got.error());
  std::size_t const stride = group.is_asking ? 2 : 1;
  for (std::size_t i = 0; i < group.indexes.size(); ++i) {
    replies[group.indexes[i]] = std::move((*got)[i * stride + stride - 1]);
  }
  return {};
}

/// A slot has moved: its commands go to the new owner from now on.
void Cluster::follow(Redirect const& redirect) {
  MutexLock const lock(mutex_);
  owners_[redirect.slot] = pool_locked(redirect.server);
  ++version_;
}

/// Finds out which commands of a group were not executed, and where they belong.
void Cluster::look_through(Group const& group, std::vector<RedisReply> const& replies, Rest& rest) {
  for (std::size_t const index : group.indexes) {
    std::optional<Redirect> const redirect = redirect_of(replies[index], group.pool->server());
    if (!redirect) continue;
    switch (redirect->kind) {
      case Redirect::Kind::Down:
        rest.is_down = true;
        break;
      case Redirect::Kind::Moved:
        follow(*redirect);
        rest.open.push_back(index);
        break;
      case Redirect::Kind::TryAgain:
        rest.must_wait = true;
        rest.open.push_back(index);
        break;
      case Redirect::Kind::Ask:
        if (group.is_asking) {
          rest.open.push_back(index);
        } else {
          rest.asking.push_back(Group{pool_of(redirect->server), true, {index}});
        }
        break;
    }
  }
}

/// Sends what is open once, and what is asked to be sent elsewhere for now. Returns: what is left.
Result<Cluster::Rest> Cluster::send_round(std::vector<std::size_t> const& open,
                                          std::vector<RoutedCommand> const& commands,
                                          std::vector<RedisReply>& replies, Deadline deadline) {
  Result<std::vector<Group>> const groups = group(commands, open);
  if (!groups) return Unexpected(groups.error());
  Rest rest;
  for (Group const& next : *groups) {
    if (Result<void> const sent = send(next, commands, replies, deadline); !sent) {
      return Unexpected(sent.error());
    }
    look_through(next, replies, rest);
  }
  for (Group const& next : std::exchange(rest.asking, {})) {
    if (Result<void> const sent = send(next, commands, replies, deadline); !sent) {
      return Unexpected(sent.error());
    }
    look_through(next, replies, rest);
  }
  if (rest.is_down) return unavailable("the cluster is down");
  return rest;
}

Result<std::vector<RedisReply>> Cluster::call(std::vector<RoutedCommand> const& commands,
                                              Deadline deadline) {
  constexpr std::chrono::milliseconds kTryAgain{20};
  if (!has_map() && !refresh(deadline)) return unavailable("no server of the cluster answers");
  std::vector<RedisReply> replies(commands.size());
  std::vector<std::size_t> open(commands.size());
  for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;
  for (int round = 0; round <= kRedirectsMax; ++round) {
    Result<Rest> rest = send_round(open, commands, replies, deadline);
    if (!rest) return Unexpected(rest.error());
    if (rest->open.empty()) return replies;
    if (Clock::now() >= deadline) break;
    open = std::move(rest->open);
    if (rest->must_wait) std::this_thread::sleep_for(kTryAgain);
  }
  return unavailable("the cluster sends us around");
}

}  // namespace

std::unique_ptr<RedisServers> make_redis_cluster(RedisOptions const& options,
                                                 RedisResolver& resolver) {
  return std::make_unique<Cluster>(options, resolver);
}

}  // namespace holdfast::discovery
