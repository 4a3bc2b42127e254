#include "discovery/directory/directory.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "crypto/keys.h"

namespace holdfast::discovery {

namespace {

constexpr std::size_t kLinesMax = 4'096;  // Four times what a store keeps of one key.
constexpr std::int64_t kSurveyAgainMs = 100;
constexpr std::size_t kBlocksPerPiece = std::size_t{1} << 16;  // Pieces begin small and double.
constexpr std::size_t kPooledBytesMax = 2'048;                 // Texts with an ordinary record.

std::uint64_t random_word() {
  std::array<Byte, 8> raw{};
  random_bytes(raw);
  std::uint64_t out = 0;
  std::memcpy(&out, raw.data(), sizeof out);
  return out;
}

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint64_t keyed_hash(DiscoveryKey const& key, std::uint64_t secret) {
  std::uint64_t out = secret;
  for (std::size_t at = 0; at < 32; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key.data() + at, sizeof word);
    out = mix(out ^ word) + secret;
  }
  return out;
}

AnswerWish wish_of(LookupQuery const& query) {
  AnswerWish wish;
  wish.key_seed = seed_of(query.key);
  wish.region = &query.region;
  wish.transport = query.transport;
  wish.keyholder = query.keyholder ? &*query.keyholder : nullptr;
  return wish;
}

DirectoryStatus status_of(MissKind kind) {
  switch (kind) {
    case MissKind::Unknown:
      return DirectoryStatus::UnknownKey;
    case MissKind::ProjectKey:
      return DirectoryStatus::ProjectKeySent;
    case MissKind::Recovering:
      return DirectoryStatus::Recovering;
    case MissKind::Away:
      return DirectoryStatus::Away;
  }
  return DirectoryStatus::Away;
}

}  // namespace

Directory::Directory(DirectoryOptions const& options, std::function<Instant()> clock)
    : options_(options),
      clock_(std::move(clock)),
      secret_{random_word(), random_word()},
      blocks_(
          {.max_blocks_per_chunk = kBlocksPerPiece, .largest_required_pool_block = kPooledBytesMax},
          &pages_),
      table_(blocks_) {
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_unique<Shard>(options_.hosting_bytes_max / kShards,
                                              std::max(options_.misses / kShards, MissTable::kWays),
                                              random_word(), blocks_));
  }
}

Directory::~Directory() = default;

Directory::Shard& Directory::shard_of(DiscoveryKey const& key) const {
  return *shards_[keyed_hash(key, secret_[0]) % kShards];
}

MissTable::Name Directory::name_of(DiscoveryKey const& key) const {
  return keyed_hash(key, secret_[1]) | 1;
}

Judgement Directory::judge(Instant now) const {
  return {.now_ms = clock_of_store_.unix_ms(now),
          .guard_ms = is_guarded_.load(std::memory_order_relaxed) ? options_.lease.count() : 0,
          .is_panic = table_.is_panic()};
}

DirectoryAnswer Directory::look_up(LookupQuery const& query, Instant now, std::string& body) {
  if (!is_loaded_.load(std::memory_order_acquire)) return {};
  Shard& shard = shard_of(query.key);
  MutexLock const lock(shard.mutex);
  HostingView const set = shard.sets.find(query.key, table_);
  if (!set.is_there()) return answer_miss(shard, query.key, now);
  return answer_hit(shard, set, query, now, body);
}

DirectoryAnswer Directory::look_up_here(LookupQuery const& query, Instant now, std::string& body) {
  DirectoryAnswer not_here;
  not_here.status = DirectoryStatus::Wait;
  if (!is_loaded_.load(std::memory_order_acquire)) return not_here;
  Shard& shard = shard_of(query.key);
  MutexLock const lock(shard.mutex);
  HostingView const set = shard.sets.find(query.key, table_);
  return set.is_there() ? answer_hit(shard, set, query, now, body) : not_here;
}

DirectoryAnswer Directory::answer_hit(Shard& shard, HostingView const& set,
                                      LookupQuery const& query, Instant now, std::string& body) {
  ++shard.counters.hits;
  Judgement const judgement = judge(now);
  WrittenAnswer const written = shard.writer.write(set, table_, wish_of(query), judgement, body);
  DirectoryAnswer answer;
  std::int64_t const lost_since_ms = lost_since_ms_.load(std::memory_order_relaxed);
  bool const is_away = lost_since_ms != 0;
  if (is_away) {
    answer.degraded_for =
        Duration(std::max<std::int64_t>(0, now.time_since_epoch().count() - lost_since_ms));
  }
  if (written.endpoints > 0) {
    answer.status = DirectoryStatus::Found;
    answer.hash = written.hash;
    answer.least_left_s = written.least_left_s;
    answer.first_left_s = written.first_left_s;
  } else if (is_away) {
    answer.status = DirectoryStatus::Away;
  } else if (written.is_known) {
    answer.status = DirectoryStatus::NobodyCanServe;
  } else {
    bool const is_recovering =
        recovering_until_ms_.load(std::memory_order_relaxed) > judgement.now_ms;
    answer.status = is_recovering ? DirectoryStatus::Recovering : DirectoryStatus::UnknownKey;
  }
  return answer;
}

DirectoryAnswer Directory::answer_miss(Shard& shard, DiscoveryKey const& key, Instant now) {
  std::optional<MissTable::Miss> const miss = shard.misses.find(name_of(key), now);
  if (!miss) return begin_fetch(shard, key, now);
  ++shard.counters.hits;
  DirectoryAnswer answer;
  answer.status = status_of(miss->kind);
  answer.asked = miss->asked;
  return answer;
}

DirectoryAnswer Directory::begin_fetch(Shard& shard, DiscoveryKey const& key, Instant now) {
  DirectoryAnswer answer;
  auto found = shard.fetching.find(key);
  if (found != shard.fetching.end() && now - found->second.begun < options_.fetch_life &&
      !found->second.is_void) {
    answer.status = DirectoryStatus::Wait;
    return answer;
  }
  if (found == shard.fetching.end()) {
    if (shard.fetching.size() >= std::max<std::size_t>(1, options_.fetches_max / kShards)) {
      std::erase_if(shard.fetching, [&](auto const& each) {
        return now - each.second.begun >= options_.fetch_life;
      });
    }
    if (shard.fetching.size() >= std::max<std::size_t>(1, options_.fetches_max / kShards)) {
      ++shard.counters.refused;
      answer.status = DirectoryStatus::Overloaded;
      return answer;
    }
    found = shard.fetching.emplace(key, Fetching{}).first;
  }
  ++shard.counters.misses;
  found->second = Fetching{.number = shard.next_number++, .begun = now, .is_void = false};
  answer.status = DirectoryStatus::Fetch;
  answer.token = {key, found->second.number};
  return answer;
}

std::vector<RowLine> Directory::to_rows(std::vector<Hosting> const& lines) {
  std::vector<RowLine> out;
  out.reserve(lines.size());
  for (Hosting const& line : lines) {
    if (out.size() == kLinesMax) break;
    std::optional<std::uint32_t> const row = table_.row_of(line.id);
    if (row) out.push_back({.row = *row, .generation = line.generation, .proof = line.proof});
  }
  return out;
}

void Directory::fill(FetchToken const& token, HostingSet const& set, bool is_project_key,
                     Instant now) {
  clock_of_store_.learn(set.now_unix_ms, now);
  std::uint64_t const epoch = epoch_.load(std::memory_order_acquire);
  std::vector<RowLine> const lines = to_rows(set.lines);
  Shard& shard = shard_of(token.key);
  MutexLock const lock(shard.mutex);
  auto const found = shard.fetching.find(token.key);
  if (found == shard.fetching.end() || found->second.number != token.number) return;
  bool const is_void = found->second.is_void || epoch != epoch_.load(std::memory_order_acquire);
  shard.fetching.erase(found);
  if (is_void) return;
  if (!set.lines.empty()) return shard.sets.put(token.key, lines);
  MissKind const kind = is_project_key   ? MissKind::ProjectKey
                        : set.recovering ? MissKind::Recovering
                                         : MissKind::Unknown;
  bool const is_short = set.recovering || is_away();
  shard.misses.put(name_of(token.key), kind, now,
                   is_short ? options_.recovering_life : options_.miss_life);
}

void Directory::fail(FetchToken const& token, Instant now) {
  Shard& shard = shard_of(token.key);
  MutexLock const lock(shard.mutex);
  auto const found = shard.fetching.find(token.key);
  if (found == shard.fetching.end() || found->second.number != token.number) return;
  shard.fetching.erase(found);
  shard.misses.put(name_of(token.key), MissKind::Away, now, options_.away_life);
}

void Directory::abandon(FetchToken const& token) {
  Shard& shard = shard_of(token.key);
  MutexLock const lock(shard.mutex);
  auto const found = shard.fetching.find(token.key);
  if (found == shard.fetching.end() || found->second.number != token.number) return;
  shard.fetching.erase(found);
}

std::optional<bool> Directory::is_hosted(DiscoveryKey const& key, Instant now) {
  if (!is_loaded_.load(std::memory_order_acquire)) return std::nullopt;
  Shard& shard = shard_of(key);
  MutexLock const lock(shard.mutex);
  HostingView const set = shard.sets.find(key, table_);
  if (!set.is_there()) {
    std::optional<MissTable::Miss> const miss = shard.misses.find(name_of(key), now);
    if (miss && miss->kind != MissKind::Away) return false;
    return std::nullopt;
  }
  for (std::size_t i = 0; i < set.size(); ++i) {
    Row const& row = table_.at(set.row(i));
    if (row.text.load(std::memory_order_acquire) != nullptr &&
        row.generation.load(std::memory_order_relaxed) == set.generation(i)) {
      return true;
    }
  }
  return false;
}

std::vector<TraceLine> Directory::trace(LookupQuery const& query, Instant now) {
  Shard& shard = shard_of(query.key);
  MutexLock const lock(shard.mutex);
  return trace_lines(shard.sets.find(query.key, table_), table_, wish_of(query), judge(now));
}

std::shared_ptr<std::vector<Candidate> const> Directory::candidates(Instant now,
                                                                    Freshness freshness) {
  return table_.candidates(judge(now), freshness);
}

ReplicatorCounts Directory::tick(Instant now) {
  surveyed_ms_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  ReplicatorCounts const counts = table_.survey(judge(now));
  free_retired();
  if (table_.wants_compaction()) {
    // Fetches under way may hold row numbers; the new epoch voids them.
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    forget_sets();
    table_.compact();
  }
  return counts;
}

DirectoryCounters Directory::counters() const {
  DirectoryCounters sum;
  for (std::unique_ptr<Shard> const& shard : shards_) {
    MutexLock const lock(shard->mutex);
    sum.hits += shard->counters.hits;
    sum.misses += shard->counters.misses;
    sum.refused += shard->counters.refused;
    sum.keys += shard->sets.size();
    sum.bytes += shard->sets.bytes();
  }
  return sum;
}

void Directory::forget_sets() {
  for (std::unique_ptr<Shard> const& shard : shards_) {
    MutexLock const lock(shard->mutex);
    shard->sets.clear();
    shard->misses.make_stale();
    for (auto& [key, fetching] : shard->fetching) fetching.is_void = true;
  }
}

/// Look-ups read texts with their shard locked: once every shard was locked and let go, nobody reads an old one.
void Directory::free_retired() {
  std::vector<RowTextPtr> const retired = table_.take_retired();
  if (retired.empty()) return;
  for (std::unique_ptr<Shard> const& shard : shards_) MutexLock const lock(shard->mutex);
}

void Directory::on_lost() {
  std::int64_t none = 0;
  std::int64_t const now_ms = std::max<std::int64_t>(1, clock_().time_since_epoch().count());
  if (!lost_since_ms_.compare_exchange_strong(none, now_ms)) return;
  for (std::unique_ptr<Shard> const& shard : shards_) {
    MutexLock const lock(shard->mutex);
    shard->misses.make_stale();
  }
}

void Directory::on_table(std::vector<ReplicatorEntry> all, std::uint64_t now_unix_ms,
                         bool recovering) {
  Instant const now = clock_();
  clock_of_store_.forget();
  clock_of_store_.learn(now_unix_ms, now);
  auto const now_ms = static_cast<std::int64_t>(now_unix_ms);
  recovering_until_ms_.store(recovering ? now_ms + options_.lease.count() : 0,
                             std::memory_order_relaxed);
  table_.reset(all, now_ms);
  forget_sets();
  is_loaded_.store(true, std::memory_order_release);
  lost_since_ms_.store(0, std::memory_order_relaxed);
  tick(now);
}

void Directory::on_replicator(ReplicatorEntry const& entry, std::uint64_t now_unix_ms) {
  Instant const now = clock_();
  clock_of_store_.learn(now_unix_ms, now);
  table_.put(entry, static_cast<std::int64_t>(now_unix_ms));
  free_retired();
  std::int64_t const steady_ms = now.time_since_epoch().count();
  if (steady_ms - surveyed_ms_.load(std::memory_order_relaxed) >= kSurveyAgainMs) tick(now);
}

void Directory::on_renewed(PublicKey const& id, registration::ReplicatorState state,
                           registration::LoadFigures const& load, Duration lease_left,
                           std::uint64_t now_unix_ms) {
  clock_of_store_.learn(now_unix_ms, clock_());
  table_.renew(id, state, load, static_cast<std::int64_t>(now_unix_ms) + lease_left.count());
}

void Directory::on_gone(PublicKey const& id) {
  table_.remove(id);
  free_retired();
}

void Directory::on_hosting(DiscoveryKey const& key) {
  Shard& shard = shard_of(key);
  MutexLock const lock(shard.mutex);
  shard.sets.erase(key);
  shard.misses.erase(name_of(key));
  auto const found = shard.fetching.find(key);
  if (found != shard.fetching.end()) found->second.is_void = true;
}

}  // namespace holdfast::discovery
