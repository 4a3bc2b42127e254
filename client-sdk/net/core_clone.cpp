#include "net/core_clone.h"

#include <atomic>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "store/rocksdb_store.h"

namespace holdfast::net {
namespace {

/// The meta entry that says which core a directory is a copy of.
constexpr std::string_view kCloneOf = "clone/core";

Result<std::unique_ptr<core::Store>> open_store(std::filesystem::path const& directory) {
  store::RocksDbStore::Options options;
  options.directory = directory;
  Result<std::unique_ptr<store::RocksDbStore>> opened = store::RocksDbStore::open(options);
  if (!opened) return Unexpected(opened.error());
  return std::unique_ptr<core::Store>(std::move(*opened));
}

Result<std::optional<CoreKey>> key_in(core::Store& store) {
  Result<std::optional<Bytes>> const bytes = store.get_meta(kCloneOf);
  if (!bytes) return Unexpected(bytes.error());
  return *bytes ? CoreKey::from(**bytes) : std::nullopt;
}

}  // namespace

struct CoreClone::State {
  void on_event(sync::Event const& event) {
    if (auto const* const progress = std::get_if<sync::CoreProgress>(&event)) {
      bytes_received += progress->bytes_added;
      wake();
    }
    if (std::holds_alternative<sync::ChannelLive>(event)) wake();
  }
  void wake() {
    MutexLock const lock(mutex);
    changed = true;
    condition.notify_all();
  }

  CoreKey key;
  FollowListener listener;
  Mutex mutex;
  CondVar condition;
  bool changed HOLDFAST_GUARDED_BY(mutex) = false;
  bool interrupted HOLDFAST_GUARDED_BY(mutex) = false;
  std::atomic<std::uint64_t> bytes_received{0};
  std::unique_ptr<core::Store> store;
  std::unique_ptr<EngineHost> host;    ///< Uses the store.
  std::unique_ptr<Follower> follower;  ///< Uses the host.
};

CoreClone::CoreClone(std::unique_ptr<State> state) : state_(std::move(state)) {}

CoreClone::~CoreClone() {
  state_->follower.reset();
  state_->host->drain(Duration(5'000));
}

Result<std::unique_ptr<CoreClone>> CoreClone::open(CoreCloneOptions options) {
  auto state = std::make_unique<State>();
  state->key = options.follow.project;
  Result<std::unique_ptr<core::Store>> store = open_store(options.directory);
  if (!store) return Unexpected(store.error());
  state->store = std::move(*store);
  Result<std::optional<CoreKey>> const there = key_in(*state->store);
  if (!there) return Unexpected(there.error());
  if (*there && **there != state->key) {
    return Unexpected(ErrorCode::Conflict,
                      options.directory.string() + " holds a copy of another core");
  }
  if (!*there) {
    Result<void> const noted = state->store->put_meta(kCloneOf, state->key.view());
    if (!noted) return Unexpected(noted.error());
  }
  state->host = std::make_unique<EngineHost>(options.host, *state->store, KeyPair::random());
  state->host->subscribe([raw = state.get()](sync::Event const& event, ConnectionInfo const*) {
    raw->on_event(event);
  });
  state->host->host(state->key, state->key);
  std::unique_ptr<CoreClone> clone(new CoreClone(std::move(state)));
  State& made = *clone->state_;
  Result<std::unique_ptr<Follower>> follower =
      Follower::start(*made.host, std::move(options.follow), std::move(options.listener));
  if (!follower) return Unexpected(follower.error());
  made.follower = std::move(*follower);
  return clone;
}

CloneProgress CoreClone::progress() {
  {
    MutexLock const lock(state_->mutex);
    state_->changed = false;
  }
  CloneProgress progress;
  progress.bytes_received = state_->bytes_received;
  std::optional<sync::CoreStatus> const status = state_->host->status(state_->key);
  if (!status) return progress;
  progress.length = status->length;
  progress.contiguous_length = status->contiguous_length;
  progress.blocks_held = status->blocks_held;
  progress.remote_length = status->remote_length;
  return progress;
}

void CoreClone::wait(Duration at_most) {
  auto const until = std::chrono::steady_clock::now() + at_most;
  MutexLock const lock(state_->mutex);
  while (!state_->changed && !state_->interrupted && std::chrono::steady_clock::now() < until) {
    state_->condition.wait_for(state_->mutex, until - std::chrono::steady_clock::now());
  }
}

void CoreClone::interrupt() {
  MutexLock const lock(state_->mutex);
  state_->interrupted = true;
  state_->condition.notify_all();
}

core::Store& CoreClone::store() { return *state_->store; }

Result<OpenedClone> open_clone(std::filesystem::path const& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory, ignored)) {
    return Unexpected(ErrorCode::NotFound, "no copy of a core in " + directory.string());
  }
  Result<std::unique_ptr<core::Store>> store = open_store(directory);
  if (!store) return Unexpected(store.error());
  Result<std::optional<CoreKey>> const key = key_in(**store);
  if (!key) return Unexpected(key.error());
  if (!*key) return Unexpected(ErrorCode::NotFound, "no copy of a core in " + directory.string());
  return OpenedClone{std::move(*store), **key};
}

}  // namespace holdfast::net
