#include "discovery/store/redis_records.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "discovery/store/redis_words.h"

namespace holdfast::discovery {

namespace {

using registration::ReplicatorState;

constexpr std::size_t kReadCommands = 3;

ReplicatorState state_of(std::string_view digit) {
  return digit == "1" ? ReplicatorState::Draining : ReplicatorState::Active;
}

Unexpected no_replicator() { return Unexpected(ErrorCode::NotFound, "no such replicator"); }

}  // namespace

RedisRecords::RedisRecords(StoreOptions options, RedisOptions redis)
    : options_(options),
      redis_(std::move(redis)),
      channel_(channel_of(redis_)),
      servers_(make_redis_servers(redis_, resolver_)),
      upkeep_([this] { keep_up(); }) {}

RedisRecords::~RedisRecords() {
  watch_.reset();
  {
    MutexLock const lock(upkeep_mutex_);
    stopping_ = true;
    stopped_.notify_all();
  }
  upkeep_.join();
}

RoutedCommand RedisRecords::script(Script script, Words keys, Words arguments,
                                   std::size_t sent_at) {
  RoutedCommand out;
  out.slot = slot_of(keys.front());
  out.command.now_at = sent_at == 0 ? 0 : 2 + keys.size() + sent_at;
  out.command.words = {"EVALSHA", script_name(script), digits(keys.size())};
  for (std::string& key : keys) out.command.words.push_back(std::move(key));
  for (std::string& argument : arguments) out.command.words.push_back(std::move(argument));
  return out;
}

RoutedCommand RedisRecords::plain(std::string_view key, Words words) {
  return RoutedCommand{slot_of(key), RedisCommand{std::move(words)}};
}

Result<std::vector<RedisReply>> RedisRecords::ask(std::vector<RoutedCommand> const& commands,
                                                  Deadline deadline) {
  Result<std::vector<RedisReply>> replies = servers_->call(commands, deadline);
  if (!replies) return replies;
  for (RedisReply const& reply : *replies) {
    if (reply.kind == RedisReply::Kind::Error) {
      return Unexpected(ErrorCode::Unavailable, "Redis: " + reply.text);
    }
  }
  return replies;
}

Result<RedisReply> RedisRecords::run(RoutedCommand command, Deadline deadline) {
  std::uint16_t const slot = command.slot;
  Result<std::vector<RedisReply>> replies = servers_->call({std::move(command)}, deadline);
  if (!replies) return Unexpected(replies.error());
  return take(std::move(replies->front()), slot);
}

Result<RedisReply> RedisRecords::take(RedisReply reply, std::uint16_t slot) {
  if (reply.kind == RedisReply::Kind::Error) {
    return Unexpected(ErrorCode::Unavailable, "Redis: " + reply.text);
  }
  if (reply.items.size() < kFirstResult) {
    return Unexpected(ErrorCode::Unavailable, "Redis answered what no script of ours does");
  }
  servers_->learn_time(slot, reply.at(0).number());
  if (reply.at(1).text == "late") {
    return Unexpected(ErrorCode::Unavailable, "the call reached Redis too late");
  }
  return reply;
}

void RedisRecords::learn_id(PublicKey const& id) {
  MutexLock const lock(mutex_);
  // Only ids that are or were registered come here.
  if (ids_.size() > 2 * options_.replicators_max) ids_.clear();
  ids_.insert_or_assign(prefix_of(id), id);
}

void RedisRecords::note_epoch(std::string const& epoch, std::uint64_t now) {
  MutexLock const lock(mutex_);
  if (epoch == epoch_) return;
  if (!epoch_.empty()) {
    recovering_until_unix_ms_ = now + static_cast<std::uint64_t>(options_.lease.count());
    secret_.reset();
  }
  epoch_ = epoch;
}

void RedisRecords::note_flushed() {
  forget_secret();
  if (servers_->is_one()) return;  // The epoch tells.
  std::uint64_t const now = servers_->estimated_unix_ms(slot_of(kEpochKey));
  MutexLock const lock(mutex_);
  if (epoch_.empty()) return;
  recovering_until_unix_ms_ = now + static_cast<std::uint64_t>(options_.lease.count());
}

bool RedisRecords::is_recovering(std::uint64_t now) {
  MutexLock const lock(mutex_);
  return now < recovering_until_unix_ms_;
}

void RedisRecords::forget_secret() {
  MutexLock const lock(mutex_);
  secret_.reset();
}

RoutedCommand RedisRecords::enter_command(PublicKey const& id) const {
  FixedBytes<struct EpochTag, 8> epoch;
  random_bytes(epoch.bytes);
  return script(Script::Enter, {kIdsKey, kEpochKey},
                {raw(id.view()), digits(std::uint64_t{options_.replicators_max}), epoch.hex()}, 0);
}

Result<void> RedisRecords::take_entered(Result<RedisReply> const& reply) {
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text == "full") {
    return Unexpected(ErrorCode::LimitExceeded, "too many replicators");
  }
  note_epoch(reply->at(kFirstResult).text, reply->at(0).number());
  return {};
}

Result<void> RedisRecords::enter(PublicKey const& id, Deadline deadline) {
  return take_entered(run(enter_command(id), deadline));
}

Result<std::string> RedisRecords::secret_tag() {
  {
    MutexLock const lock(mutex_);
    if (secret_) return tag_of(*secret_);
  }
  Result<NonceState> const state = nonce_state(Freshness::Now);
  if (!state) return Unexpected(state.error());
  return tag_of(state->secret);
}

Result<PutAnswer> RedisRecords::put_registration(registration::SignedRecord const& record,
                                                 std::string_view observed_host,
                                                 Health const& health) {
  Deadline const deadline = this->deadline();
  PublicKey const& id = record.record.id;
  Result<std::string> secret = secret_tag();
  if (!secret) return Unexpected(secret.error());
  if (Result<void> const entered = enter(id, deadline); !entered) {
    return Unexpected(entered.error());
  }
  ReplicatorKeys const keys(id);
  Result<RedisReply> const reply =
      run(script(Script::Put, {keys.record, keys.index, keys.assignments, keys.ends},
                 {channel_, "", raw(id.view()), raw(record.bytes), digits(record.record.seq),
                  std::string(observed_host), digits(options_.lease), digits(options_.forget_after),
                  encode_health(health), *std::move(secret)},
                 2),
          deadline);
  if (!reply) return Unexpected(reply.error());
  std::string const& status = reply->at(1).text;
  if (status == "taken") {
    return Unexpected(ErrorCode::Denied, "another id that begins alike is registered");
  }
  learn_id(id);
  PutAnswer out;
  out.projects = reply->at(kFirstResult).number();
  out.health = decode_health(reply->at(kFirstResult + 1).text);
  if (status == "unchanged") out.outcome = PutAnswer::Outcome::Unchanged;
  if (status == "conflict") {
    out.outcome = PutAnswer::Outcome::Conflict;
    out.kept_record = to_bytes(as_bytes(reply->at(kFirstResult + 2).text));
  }
  return out;
}

Result<void> RedisRecords::set_health(PublicKey const& id, Health const& health) {
  ReplicatorKeys const keys(id);
  Result<RedisReply> const reply =
      run(script(Script::SetHealth, {keys.record},
                 {channel_, "", raw(id.view()), encode_health(health)}, 2),
          deadline());
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text == "none") return no_replicator();
  return {};
}

Result<void> RedisRecords::deregister(PublicKey const& id) {
  Deadline const deadline = this->deadline();
  ReplicatorKeys const keys(id);
  Result<RedisReply> const reply =
      run(script(Script::Forget, {keys.record, keys.index, keys.assignments, keys.ends},
                 {channel_, "", raw(id.view()), ""}, 2),
          deadline);
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text != "ok") return no_replicator();
  // The index of ids is cleaned up later if this fails.
  (void)ask({plain(kIdsKey, {"ZREM", kIdsKey, raw(id.view())})}, deadline);
  return {};
}

void RedisRecords::add_read(std::vector<RoutedCommand>& commands, PublicKey const& id) const {
  ReplicatorKeys const keys(id);
  commands.push_back(plain(keys.record, {"TIME"}));
  commands.push_back(
      plain(keys.record, {"HMGET", keys.record, "i", "r", "h", "s", "l", "y", "g", "e"}));
  commands.push_back(plain(keys.record, {"SCARD", keys.index}));
}

RedisRecords::Row RedisRecords::row_of(std::vector<RedisReply> const& replies,
                                       std::size_t at) const {
  Row out;
  RedisReply const& time = replies[at];
  RedisReply const& fields = replies[at + 1];
  out.now_unix_ms = time.at(0).number() * 1000 + time.at(1).number() / 1000;
  std::optional<PublicKey> const id = PublicKey::from(as_bytes(fields.at(0).text));
  if (!id) return out;
  out.lease_end_unix_ms = fields.at(7).number();
  auto const forget_after = static_cast<std::uint64_t>(options_.forget_after.count());
  if (out.lease_end_unix_ms + forget_after <= out.now_unix_ms) return out;
  ReplicatorEntry& entry = out.entry.emplace();
  entry.id = *id;
  entry.signed_record = to_bytes(as_bytes(fields.at(1).text));
  entry.observed_host = fields.at(2).text;
  entry.state = state_of(fields.at(3).text);
  entry.load = decode_load(fields.at(4).text);
  entry.health = decode_health(fields.at(5).text);
  entry.generation = fields.at(6).number();
  entry.projects = replies[at + 2].number();
  if (out.lease_end_unix_ms > out.now_unix_ms) {
    entry.lease_left =
        Duration(static_cast<Duration::rep>(out.lease_end_unix_ms - out.now_unix_ms));
  }
  return out;
}

Result<ReplicatorEntry> RedisRecords::find(PublicKey const& id) {
  std::vector<RoutedCommand> commands;
  add_read(commands, id);
  Result<std::vector<RedisReply>> const replies = ask(commands, deadline());
  if (!replies) return Unexpected(replies.error());
  Row row = row_of(*replies, 0);
  if (!row.entry || row.entry->id != id) return no_replicator();
  return *std::move(row.entry);
}

/// The next ids in order, at most a thousand, with what is kept of them.
Result<RedisRecords::IdPage> RedisRecords::read_page(std::optional<PublicKey> const& after) {
  Deadline const deadline = long_deadline();
  std::string const from = after ? "(" + raw(after->view()) : "-";
  Result<std::vector<RedisReply>> const names =
      ask({plain(kIdsKey, {"ZRANGEBYLEX", kIdsKey, from, "+", "LIMIT", "0", "1000"})}, deadline);
  if (!names) return Unexpected(names.error());
  IdPage out;
  std::vector<RoutedCommand> commands;
  for (RedisReply const& name : names->front().items) {
    std::optional<PublicKey> const id = PublicKey::from(as_bytes(name.text));
    if (!id) continue;
    out.ids.push_back(*id);
    add_read(commands, *id);
  }
  if (commands.empty()) return out;
  Result<std::vector<RedisReply>> const replies = ask(commands, deadline);
  if (!replies) return Unexpected(replies.error());
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    Row& row = out.rows.emplace_back(row_of(*replies, i * kReadCommands));
    if (row.entry && row.entry->id != out.ids[i]) row.entry.reset();
  }
  return out;
}

Result<std::vector<ReplicatorEntry>> RedisRecords::list(std::optional<PublicKey> after,
                                                        std::size_t limit) {
  std::vector<ReplicatorEntry> out;
  while (out.size() < limit) {
    Result<IdPage> page = read_page(after);
    if (!page) return Unexpected(page.error());
    if (page->ids.empty()) break;
    for (Row& row : page->rows) {
      if (out.size() == limit) break;
      if (row.entry && row.entry->lease_left > Duration(0)) out.push_back(*std::move(row.entry));
    }
    after = page->ids.back();
  }
  return out;
}

Result<RedisWatch::Table> RedisRecords::read_table() {
  Result<std::vector<RedisReply>> const first =
      ask({plain(kEpochKey, {"TIME"}), plain(kEpochKey, {"GET", kEpochKey})}, deadline());
  if (!first) return Unexpected(first.error());
  RedisReply const& time = first->front();
  RedisWatch::Table out;
  out.now_unix_ms = time.at(0).number() * 1000 + time.at(1).number() / 1000;
  note_epoch(first->back().text, out.now_unix_ms);
  out.recovering = is_recovering(out.now_unix_ms);
  std::optional<PublicKey> after;
  while (true) {
    Result<IdPage> page = read_page(after);
    if (!page) return Unexpected(page.error());
    if (page->ids.empty()) return out;
    for (Row& row : page->rows) {
      if (!row.entry) continue;
      learn_id(row.entry->id);
      out.entries.push_back(*std::move(row.entry));
    }
    after = page->ids.back();
  }
}

Result<NonceState> RedisRecords::nonce_state(Freshness freshness) {
  if (freshness == Freshness::Recent) {
    std::uint64_t const now = servers_->estimated_unix_ms(slot_of(kSecretKey));
    MutexLock const lock(mutex_);
    if (secret_ && now != 0) return NonceState{.secret = *secret_, .now_unix_ms = now};
  }
  Hash fresh;
  random_bytes(fresh.bytes);
  Result<RedisReply> const reply =
      run(script(Script::Nonce, {kSecretKey, kEpochKey}, {raw(fresh.view())}, 0), deadline());
  if (!reply) return Unexpected(reply.error());
  std::optional<Hash> const secret = Hash::from(as_bytes(reply->at(kFirstResult).text));
  if (!secret) return Unexpected(ErrorCode::Unavailable, "Redis holds no proper nonce secret");
  note_epoch(reply->at(kFirstResult + 1).text, reply->at(0).number());
  MutexLock const lock(mutex_);
  secret_ = *secret;
  return NonceState{.secret = *secret, .now_unix_ms = reply->at(0).number()};
}

Result<std::uint64_t> RedisRecords::now_unix_ms() {
  Result<std::vector<RedisReply>> const replies = ask({plain(kEpochKey, {"TIME"})}, deadline());
  if (!replies) return Unexpected(replies.error());
  RedisReply const& time = replies->front();
  return time.at(0).number() * 1000 + time.at(1).number() / 1000;
}

void RedisRecords::watch(StoreWatcher& watcher) {
  HOLDFAST_CHECK(watch_ == nullptr);
  RedisWatch::Hooks hooks;
  hooks.read_table = [this] { return read_table(); };
  hooks.on_event = [this](StoreEvent const& event) {
    if (auto const* const entry = std::get_if<EntryEvent>(&event.what)) learn_id(entry->entry.id);
  };
  hooks.on_flushed = [this] { note_flushed(); };
  watch_ = std::make_unique<RedisWatch>(*servers_, redis_, resolver_, watcher, std::move(hooks));
}

}  // namespace holdfast::discovery
