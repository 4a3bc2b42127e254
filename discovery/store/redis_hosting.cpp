// Hosting sets: the lines of RedisRecords.
#include <algorithm>
#include <set>
#include <utility>

#include "discovery/store/redis_records.h"
#include "discovery/store/redis_words.h"

namespace holdfast::discovery {

namespace {

using registration::ProjectListing;

constexpr std::size_t kRoomKeysMax = 16;  // Full sets looked through for left overs in one call.

}  // namespace

Result<ProjectsChange> RedisRecords::change_projects(PublicKey const& id,
                                                     registration::ProjectsRequest const& request,
                                                     std::uint64_t keys_max) {
  if (request.add.size() + request.remove.size() > registration::kBatchKeysMax) {
    return Unexpected(ErrorCode::LimitExceeded, "too many keys in one batch");
  }
  Deadline const deadline = this->deadline();
  ReplicatorKeys const keys(id);
  Words arguments = {channel_,         "",
                     raw(id.view()),   request.replace ? "1" : "0",
                     digits(keys_max), digits(std::uint64_t{request.remove.size()})};
  for (DiscoveryKey const& key : request.remove) arguments.push_back(raw(key.view()));
  for (ProjectListing const& listing : request.add) arguments.push_back(raw(listing.key.view()));
  Result<RedisReply> const reply =
      run(script(Script::Change, {keys.record, keys.index, keys.assignments, keys.ends},
                 std::move(arguments), 2),
          deadline);
  if (!reply) return Unexpected(reply.error());
  if (reply->at(1).text == "none") return Unexpected(ErrorCode::NotFound, "no lease");
  if (reply->at(1).text == "full") {
    return Unexpected(ErrorCode::LimitExceeded, "too many projects");
  }
  ProjectsChange out;
  out.projects = reply->at(kFirstResult).number();
  std::uint64_t const generation = reply->at(kFirstResult + 1).number();
  if (generation > kGenerationMax) {
    return Unexpected(ErrorCode::Unavailable, "Redis holds no proper generation");
  }
  Result<std::vector<DiscoveryKey>> full = write_lines(id, generation, request, deadline);
  if (!full) return Unexpected(full.error());
  if (full->empty()) return out;

  // Once more, after left overs have made room.
  if (Result<void> const made = make_room(*full, deadline); !made) return Unexpected(made.error());
  registration::ProjectsRequest again;
  for (ProjectListing const& listing : request.add) {
    if (std::binary_search(full->begin(), full->end(), listing.key)) again.add.push_back(listing);
  }
  full = write_lines(id, generation, again, deadline);
  if (!full) return Unexpected(full.error());
  out.refused = *std::move(full);
  if (out.refused.empty()) return out;
  Words unlisted = {""};
  for (DiscoveryKey const& key : out.refused) unlisted.push_back(raw(key.view()));
  Result<RedisReply> const left =
      run(script(Script::Unindex, {keys.index}, std::move(unlisted), 1), deadline);
  if (!left) return Unexpected(left.error());
  out.projects = left->at(kFirstResult).number();
  return out;
}

/// A server whose clock has jumped takes all that we send for late, until we know.
void RedisRecords::learn_time_of(std::uint16_t slot, Deadline deadline) {
  Result<std::vector<RedisReply>> const replies =
      ask({RoutedCommand{slot, RedisCommand{{"TIME"}}}}, deadline);
  if (!replies) return;
  RedisReply const& time = replies->front();
  servers_->learn_time(slot, time.at(0).number() * 1000 + time.at(1).number() / 1000);
}

/// Returns: the keys whose set is full, sorted.
Result<std::vector<DiscoveryKey>> RedisRecords::write_lines(
    PublicKey const& id, std::uint64_t generation, registration::ProjectsRequest const& request,
    Deadline deadline) {
  std::vector<RoutedCommand> commands;
  HostingLine line{prefix_of(id), generation, std::nullopt};
  std::string const bare = encode_line(line);
  for (DiscoveryKey const& key : request.remove) {
    commands.push_back(script(Script::RemoveLine, {hosting_key(key)}, {"", bare}, 1));
  }
  std::string const hosts_max = digits(std::uint64_t{options_.hosts_per_key_max});
  for (ProjectListing const& listing : request.add) {
    line.proof = listing.proof;
    commands.push_back(
        script(Script::AddLine, {hosting_key(listing.key)}, {"", encode_line(line), hosts_max}, 1));
  }
  std::vector<DiscoveryKey> full;
  if (commands.empty()) return full;
  Result<std::vector<RedisReply>> const replies = ask(commands, deadline);
  if (!replies) return Unexpected(replies.error());
  for (std::size_t i = 0; i < replies->size(); ++i) {
    std::string const& status = (*replies)[i].text;
    if (status == "late") {
      learn_time_of(commands[i].slot, deadline);
      return Unexpected(ErrorCode::Unavailable, "a newer call has listed these keys");
    }
    if (status == "full") full.push_back(request.add[i - request.remove.size()].key);
  }
  std::sort(full.begin(), full.end());
  full.erase(std::unique(full.begin(), full.end()), full.end());
  return full;
}

Result<void> RedisRecords::make_room(std::vector<DiscoveryKey> const& full, Deadline deadline) {
  std::vector<DiscoveryKey> keys = full;
  if (keys.size() > kRoomKeysMax) keys.resize(kRoomKeysMax);
  Result<std::size_t> const pruned = prune(keys, deadline);
  if (!pruned) return Unexpected(pruned.error());
  return {};
}

Result<std::vector<std::optional<PublicKey>>> RedisRecords::resolve(
    std::vector<IdPrefix> const& prefixes, Deadline deadline) {
  std::vector<std::optional<PublicKey>> out(prefixes.size());
  std::vector<RoutedCommand> commands;
  std::vector<std::size_t> asked;
  {
    MutexLock const lock(mutex_);
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      auto const found = ids_.find(prefixes[i]);
      if (found != ids_.end()) {
        out[i] = found->second;
        continue;
      }
      std::string const record = ReplicatorKeys(prefixes[i]).record;
      commands.push_back(plain(record, {"HGET", record, "i"}));
      asked.push_back(i);
    }
  }
  if (commands.empty()) return out;
  Result<std::vector<RedisReply>> const replies = ask(commands, deadline);
  if (!replies) return Unexpected(replies.error());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    std::optional<PublicKey> const id = PublicKey::from(as_bytes((*replies)[i].text));
    if (!id || prefix_of(*id) != prefixes[asked[i]]) continue;
    learn_id(*id);
    out[asked[i]] = id;
  }
  return out;
}

Result<HostingSet> RedisRecords::hosting_of(DiscoveryKey const& key) {
  Deadline const deadline = this->deadline();
  std::string const name = hosting_key(key);
  std::vector<RoutedCommand> commands = {plain(name, {"TIME"}), plain(name, {"GET", name})};
  if (servers_->is_one()) commands.push_back(plain(name, {"GET", kEpochKey}));
  Result<std::vector<RedisReply>> const replies = ask(commands, deadline);
  if (!replies) return Unexpected(replies.error());
  RedisReply const& time = replies->front();
  HostingSet out;
  out.now_unix_ms = time.at(0).number() * 1000 + time.at(1).number() / 1000;
  servers_->learn_time(slot_of(name), out.now_unix_ms);
  if (replies->size() > 2) note_epoch(replies->back().text, out.now_unix_ms);
  out.recovering = is_recovering(out.now_unix_ms);
  Result<std::vector<HostingLine>> lines = decode_lines((*replies)[1].text);
  if (!lines) return Unexpected(ErrorCode::Unavailable, "Redis holds no proper hosting set");
  std::vector<IdPrefix> prefixes;
  for (HostingLine const& line : *lines) prefixes.push_back(line.prefix);
  Result<std::vector<std::optional<PublicKey>>> const ids = resolve(prefixes, deadline);
  if (!ids) return Unexpected(ids.error());
  for (std::size_t i = 0; i < lines->size(); ++i) {
    HostingLine const& line = (*lines)[i];
    if ((*ids)[i]) {
      out.lines.push_back({*(*ids)[i], line.generation, line.proof});
    }
  }
  return out;
}

Result<std::size_t> RedisRecords::prune(std::vector<DiscoveryKey> const& keys, Deadline deadline) {
  std::vector<RoutedCommand> reads;
  for (DiscoveryKey const& key : keys) {
    std::string const name = hosting_key(key);
    reads.push_back(plain(name, {"GET", name}));
  }
  Result<std::vector<RedisReply>> const sets = ask(reads, deadline);
  if (!sets) return Unexpected(sets.error());
  std::vector<std::vector<HostingLine>> lines;
  std::set<IdPrefix> prefixes;
  for (RedisReply const& set : *sets) {
    Result<std::vector<HostingLine>> decoded = decode_lines(set.text);
    lines.push_back(decoded ? *std::move(decoded) : std::vector<HostingLine>{});
    for (HostingLine const& line : lines.back()) prefixes.insert(line.prefix);
  }
  if (prefixes.empty()) return std::size_t{0};

  // A generation never comes back, so a line that does not fit the record now never will.
  std::vector<RoutedCommand> record_reads;
  for (IdPrefix const& prefix : prefixes) {
    std::string const record = ReplicatorKeys(prefix).record;
    record_reads.push_back(plain(record, {"HGET", record, "g"}));
  }
  Result<std::vector<RedisReply>> const generations = ask(record_reads, deadline);
  if (!generations) return Unexpected(generations.error());
  std::unordered_map<IdPrefix, std::uint64_t> current;
  auto next = generations->begin();
  for (IdPrefix const& prefix : prefixes) current[prefix] = (next++)->number();

  std::vector<RoutedCommand> writes;
  std::size_t count = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    Words left_overs;
    for (HostingLine const& line : lines[i]) {
      if (current.at(line.prefix) != line.generation) left_overs.push_back(encode_line(line));
    }
    if (left_overs.empty()) continue;
    count += left_overs.size();
    writes.push_back(script(Script::Prune, {hosting_key(keys[i])}, std::move(left_overs), 0));
  }
  if (writes.empty()) return std::size_t{0};
  Result<std::vector<RedisReply>> const pruned = ask(writes, deadline);
  if (!pruned) return Unexpected(pruned.error());
  return count;
}

}  // namespace holdfast::discovery
