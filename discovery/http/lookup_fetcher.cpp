#include "discovery/http/lookup_fetcher.h"

#include <algorithm>
#include <utility>

#include "crypto/keys.h"

namespace holdfast::discovery {

std::string lookup_event(DiscoveryKey const& key) {
  return std::string("lookup:").append(as_text(key.view()));
}

LookupFetcher::LookupFetcher(RecordStore& store, Directory& directory,
                             LookupFetcherOptions const& options, Notify notify,
                             std::function<Instant()> clock)
    : store_(store),
      directory_(directory),
      options_(options),
      notify_(std::move(notify)),
      clock_(std::move(clock)) {}

void LookupFetcher::start() {
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run(); });
  threads_.emplace_back([this] { run_ticks(); });
}

void LookupFetcher::stop() {
  std::deque<Job> left;
  {
    MutexLock const lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
    work_.notify_all();
    tick_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (Job const& job : left) {
    FetchToken const* const token = std::get_if<FetchToken>(&job);
    if (token == nullptr) continue;
    directory_.fail(*token, clock_());
    notify_(lookup_event(token->key));
  }
}

bool LookupFetcher::push(Job const& job) {
  MutexLock const lock(mutex_);
  if (stopping_ || queue_.size() >= options_.queue_max) {
    ++refused_;
    return false;
  }
  queue_.push_back(job);
  work_.notify_one();
  return true;
}

bool LookupFetcher::fetch(FetchToken const& token) { return push(token); }

bool LookupFetcher::fetch_peers(DiscoveryKey const& key) { return push(PeerJob{key}); }

std::optional<std::vector<PeerEndpoint>> LookupFetcher::peers(DiscoveryKey const& key) {
  MutexLock const lock(mutex_);
  auto const found = peers_.find(key);
  if (found == peers_.end() || clock_() - found->second.at > options_.peers_life) {
    return std::nullopt;
  }
  return found->second.peers;
}

ReplicatorCounts LookupFetcher::replicators() const {
  MutexLock const lock(mutex_);
  return replicators_;
}

std::uint64_t LookupFetcher::refused() const {
  MutexLock const lock(mutex_);
  return refused_;
}

void LookupFetcher::on_table(std::vector<ReplicatorEntry> /*all*/, std::uint64_t /*now*/,
                             bool /*recovering*/) {
  on_shared(SharedKind::Guard);
}

void LookupFetcher::on_shared(SharedKind kind) {
  if (kind != SharedKind::Guard) return;
  MutexLock const lock(mutex_);
  is_guard_old_ = true;
  tick_.notify_all();
}

void LookupFetcher::run() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      work_.wait(mutex_);
      continue;
    }
    Job const job = queue_.front();
    queue_.pop_front();
    lock.unlock();
    std::visit([this](auto const& each) { work(each); }, job);
    lock.lock();
  }
}

/// The guard may also run out without a word, so it is read at every tick while it is on.
void LookupFetcher::run_ticks() {
  MutexLock lock(mutex_);
  bool is_guarded = false;
  while (!stopping_) {
    bool const must_read = std::exchange(is_guard_old_, false) || is_guarded;
    lock.unlock();
    if (must_read) is_guarded = read_guard();
    ReplicatorCounts const counts = directory_.tick(clock_());
    lock.lock();
    replicators_ = counts;
    if (!stopping_ && !is_guard_old_) tick_.wait_for(mutex_, options_.tick);
  }
}

bool LookupFetcher::read_guard() {
  Result<std::vector<Shared>> const guard = store_.list_shared(SharedKind::Guard);
  if (!guard) return true;
  directory_.set_guard(!guard->empty());
  return !guard->empty();
}

void LookupFetcher::work(FetchToken const& token) {
  Result<HostingSet> const set = store_.hosting_of(token.key);
  bool has_failed = !set.ok();
  bool is_project_key = false;
  if (set && set->lines.empty()) {
    // What was asked for may be a project key: then its hash is what is listed.
    Result<HostingSet> const hashed = store_.hosting_of(discovery_key_of(CoreKey{token.key.bytes}));
    has_failed = !hashed.ok();
    is_project_key = hashed && !hashed->lines.empty();
  }
  if (has_failed) {
    directory_.fail(token, clock_());
  } else {
    directory_.fill(token, *set, is_project_key, clock_());
  }
  notify_(lookup_event(token.key));
}

void LookupFetcher::work(PeerJob const& job) {
  Result<std::vector<PeerEndpoint>> peers = store_.peers_of(job.key);
  {
    Instant const now = clock_();
    MutexLock const lock(mutex_);
    if (peers_.size() >= options_.peers_max) {
      std::erase_if(peers_,
                    [&](auto const& each) { return now - each.second.at > options_.peers_life; });
    }
    if (peers_.size() >= options_.peers_max) peers_.clear();
    // A store that is away knows of none.
    peers_[job.key] = {peers ? *std::move(peers) : std::vector<PeerEndpoint>{}, now};
  }
  notify_(lookup_event(job.key));
}

}  // namespace holdfast::discovery
