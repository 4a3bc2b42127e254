// What RedisRecords does by itself.
#include <algorithm>
#include <utility>

#include "discovery/store/redis_records.h"
#include "discovery/store/redis_words.h"

namespace holdfast::discovery {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Duration kBreath{10};  // Between two steps of a walk, so that others get their turn.

}  // namespace

/// Returns: false when the store is being closed.
bool RedisRecords::rest(Duration time) {
  Deadline const end = Clock::now() + time;
  MutexLock const lock(upkeep_mutex_);
  while (!stopping_) {
    auto const now = Clock::now();
    if (now >= end) return true;
    stopped_.wait_for(upkeep_mutex_, end - now);
  }
  return false;
}

void RedisRecords::keep_up() {
  Duration const forget_every = std::min(redis_.forget_every, options_.forget_after / 4);
  Deadline next_forget = Clock::now() + forget_every;
  Deadline next_sweep = Clock::now() + redis_.sweep_every;
  do {
    tend();
    if (Clock::now() >= next_forget) {
      forget_old();
      next_forget = Clock::now() + forget_every;
    }
    if (Clock::now() >= next_sweep) {
      sweep_in_turn();
      next_sweep = Clock::now() + redis_.sweep_every;
    }
  } while (rest(redis_.upkeep_every));
}

/// What must not wait for a long walk to end.
void RedisRecords::tend() {
  if (Clock::now() < next_beat_) return;
  servers_->look_around(deadline());
  beat();
  next_beat_ = Clock::now() + redis_.upkeep_every;
}

/// Between two steps of a walk. Returns: false when the store is being closed.
bool RedisRecords::breathe() {
  tend();
  return rest(kBreath);
}

void RedisRecords::beat() {
  std::string const missed = missed_beat_ ? digits(last_beat_unix_ms_) : "0";
  Result<RedisReply> const reply =
      run(script(Script::Beat, {kBeatKey, kEpochKey},
                 {"", missed, digits(redis_.outage_min), digits(redis_.timeout * 4 / 5)}, 1),
          deadline());
  if (!reply) {
    missed_beat_ = last_beat_unix_ms_ != 0;
    return;
  }
  std::uint64_t const now = reply->at(0).number();
  note_epoch(reply->at(kFirstResult).text, now);
  last_beat_unix_ms_ = now;
  missed_beat_ = false;
  if (reply->at(1).text == "gap") extend_leases(reply->at(kFirstResult + 1).number(), now);
}

/// Nobody could renew between the two times: what was valid then is valid for so much longer.
void RedisRecords::extend_leases(std::uint64_t from_unix_ms, std::uint64_t now_unix_ms) {
  std::string const from = digits(from_unix_ms);
  std::string const length = digits(now_unix_ms - from_unix_ms);
  std::optional<PublicKey> after;
  while (true) {
    Result<IdPage> const page = read_page(after);
    if (!page || page->ids.empty()) return;
    std::vector<RoutedCommand> commands;
    for (PublicKey const& id : page->ids) {
      commands.push_back(script(Script::Extend, {ReplicatorKeys(id).record},
                                {channel_, "", from, length, digits(options_.lease)}, 2));
    }
    if (!ask(commands, long_deadline())) return;
    after = page->ids.back();
  }
}

/// Drops what is over for so long that it need not be remembered. Any number of instances may do
/// this at once: the script judges again.
void RedisRecords::forget_old() {
  std::optional<PublicKey> after;
  do {
    Result<IdPage> const page = read_page(after);
    if (!page || page->ids.empty()) return;
    for (std::size_t i = 0; i < page->ids.size(); ++i) {
      if (page->rows[i].entry) continue;
      PublicKey const& id = page->ids[i];
      ReplicatorKeys const keys(id);
      Result<std::vector<RedisReply>> const dropped =
          ask({script(Script::Forget, {keys.record, keys.index, keys.assignments, keys.ends},
                      {channel_, "", raw(id.view()), digits(options_.forget_after)}, 2),
               plain(kIdsKey, {"ZREM", kIdsKey, raw(id.view())}),
               plain(keys.record, {"HGET", keys.record, "i"})},
              deadline());
      if (!dropped) return;
      // It came back in between.
      if (dropped->back().text == raw(id.view())) {
        (void)ask({plain(kIdsKey, {"ZADD", kIdsKey, "0", raw(id.view())})}, deadline());
      }
    }
    after = page->ids.back();
  } while (breathe());
}

/// One instance at a time, only to save work: two would do no harm. The turn is nobody's to give
/// back or to prolong, it lapses.
void RedisRecords::sweep_in_turn() {
  Result<std::vector<RedisReply>> const turn = ask(
      {plain(kTurnKey, {"SET", kTurnKey, "", "NX", "PX", digits(redis_.sweep_every)})}, deadline());
  if (!turn || turn->front().kind != RedisReply::Kind::Status) return;
  Result<std::vector<HostPort>> const servers = servers_->masters(deadline());
  if (!servers) return;
  for (HostPort const& server : *servers) sweep(server);
}

void RedisRecords::sweep(HostPort const& server) {
  std::string cursor = "0";
  do {
    Result<std::vector<RedisReply>> const step =
        servers_->call_at(server,
                          {RedisCommand{{"SCAN", cursor, "MATCH", std::string(kHostingPrefix) + "*",
                                         "COUNT", "200"}}},
                          deadline());
    if (!step || step->front().items.size() != 2) return;
    std::vector<DiscoveryKey> keys;
    for (RedisReply const& name : step->front().at(1).items) {
      if (name.text.size() != kHostingPrefix.size() + DiscoveryKey::kSize) continue;
      auto const bytes = as_bytes(std::string_view(name.text).substr(kHostingPrefix.size()));
      if (auto const key = DiscoveryKey::from(bytes)) keys.push_back(*key);
    }
    if (!keys.empty() && !prune(keys, long_deadline())) return;
    cursor = step->front().at(0).text;
  } while (cursor != "0" && breathe());
}

}  // namespace holdfast::discovery
