#include "store/memory_store.h"

#include <utility>

#include "store/tree_span.h"

namespace holdfast::store {

namespace {

constexpr std::uint64_t kNodeBytes = 40;

std::uint64_t bytes_of(core::Commit const& commit) {
  std::uint64_t bytes = commit.nodes.size() * kNodeBytes;
  for (core::BlockWrite const& write : commit.blocks) bytes += write.value.size();
  return bytes;
}

}  // namespace

struct MemoryStore::CoreState {
  Bytes manifest;
  core::Head head;
  std::map<TreeIndex, merkle::Node> nodes;
  std::map<std::uint64_t, std::shared_ptr<Bytes const>> blocks;
  std::uint64_t block_bytes = 0;
  /// Open views of this very object. Falls with release and is read with acquire, so that a commit
  /// that sees none writes after their last reads.
  std::atomic<int> views{0};

  CoreState() = default;
  CoreState(CoreState const& other)
      : manifest(other.manifest),
        head(other.head),
        nodes(other.nodes),
        blocks(other.blocks),
        block_bytes(other.block_bytes) {}
  CoreState& operator=(CoreState const&) = delete;

  void erase_blocks(std::uint64_t start, std::uint64_t end) {
    auto block = blocks.lower_bound(start);
    while (block != blocks.end() && block->first < end) {
      block_bytes -= block->second->size();
      block = blocks.erase(block);
    }
  }
  void truncate(std::uint64_t length) {
    erase_blocks(length, ~std::uint64_t{0});
    std::erase_if(nodes, [length](auto const& entry) { return spans_past(entry.first, length); });
  }
  void put_block(core::BlockWrite const& write) {
    erase_blocks(write.index.value(), write.index.value() + 1);
    blocks[write.index.value()] = std::make_shared<Bytes const>(write.value);
    block_bytes += write.value.size();
  }
};

class MemoryStore::View final : public core::CoreView {
 public:
  explicit View(std::shared_ptr<CoreState> state) : state_(std::move(state)) {
    state_->views.fetch_add(1, std::memory_order_relaxed);
  }
  ~View() override { state_->views.fetch_sub(1, std::memory_order_release); }
  View(View const&) = delete;
  View& operator=(View const&) = delete;

  core::Head const& head() const override { return state_->head; }
  Bytes const& manifest() const override { return state_->manifest; }
  Result<std::optional<merkle::Node>> node(TreeIndex index) const override {
    auto const found = state_->nodes.find(index);
    if (found == state_->nodes.end()) return std::optional<merkle::Node>();
    return std::optional(found->second);
  }
  Result<std::optional<Bytes>> block(BlockIndex index) const override {
    auto const found = state_->blocks.find(index.value());
    if (found == state_->blocks.end()) return std::optional<Bytes>();
    return std::optional(*found->second);
  }

 private:
  std::shared_ptr<CoreState> const state_;
};

MemoryStore::MemoryStore() : MemoryStore(Options{}) {}
MemoryStore::MemoryStore(Options options) : options_(options) {}
MemoryStore::~MemoryStore() = default;

Result<std::optional<core::CoreRecord>> MemoryStore::load(CoreKey const& key) {
  MutexLock const lock(mutex_);
  auto const found = cores_.find(key);
  if (found == cores_.end()) return std::optional<core::CoreRecord>();
  CoreState const& state = *found->second;
  core::CoreRecord record{key, state.manifest, state.head, {}};
  for (auto const& entry : state.blocks) {
    if (!record.blocks.empty() && record.blocks.back().end == entry.first) {
      ++record.blocks.back().end;
    } else {
      record.blocks.push_back({entry.first, entry.first + 1});
    }
  }
  return std::optional(std::move(record));
}

Result<std::unique_ptr<core::CoreView>> MemoryStore::view(CoreKey const& key) {
  MutexLock const lock(mutex_);
  auto const found = cores_.find(key);
  std::shared_ptr<CoreState> state =
      found == cores_.end() ? std::make_shared<CoreState>() : found->second;
  return std::unique_ptr<core::CoreView>(std::make_unique<View>(std::move(state)));
}

MemoryStore::CoreState& MemoryStore::writable(CoreKey const& key) {
  std::shared_ptr<CoreState>& state = cores_[key];
  if (!state) {
    state = std::make_shared<CoreState>();
  } else if (state->views.load(std::memory_order_acquire) > 0) {
    state = std::make_shared<CoreState>(*state);
  }
  return *state;
}

void MemoryStore::apply(core::Commit const& commit) {
  CoreState& state = writable(commit.core);
  if (commit.manifest) state.manifest = *commit.manifest;
  if (commit.truncate_to) state.truncate(*commit.truncate_to);
  if (commit.head) state.head = *commit.head;
  for (merkle::Node const& node : commit.nodes) state.nodes.insert_or_assign(node.index, node);
  for (core::BlockWrite const& write : commit.blocks) state.put_block(write);
  for (core::BlockRange const& range : commit.cleared) state.erase_blocks(range.start, range.end);
}

Result<void> MemoryStore::commit(std::span<core::Commit const> commits) {
  MutexLock const lock(mutex_);
  if (options_.budget_bytes > 0) {
    std::uint64_t adds = 0;
    for (core::Commit const& commit : commits) adds += bytes_of(commit);
    if (adds > 0 && used_now() + adds > options_.budget_bytes) {
      return Unexpected(ErrorCode::StorageFull, "the memory budget is spent");
    }
  }
  for (core::Commit const& commit : commits) apply(commit);
  return {};
}

Result<std::vector<CoreKey>> MemoryStore::list() {
  MutexLock const lock(mutex_);
  std::vector<CoreKey> keys;
  keys.reserve(cores_.size());
  for (auto const& entry : cores_) keys.push_back(entry.first);
  return keys;
}

Result<void> MemoryStore::erase(CoreKey const& key) {
  MutexLock const lock(mutex_);
  cores_.erase(key);
  return {};
}

Result<std::optional<Bytes>> MemoryStore::get_meta(std::string_view name) {
  MutexLock const lock(mutex_);
  auto const found = meta_.find(name);
  if (found == meta_.end()) return std::optional<Bytes>();
  return std::optional(found->second);
}

Result<void> MemoryStore::put_meta(std::string_view name, ByteView value) {
  MutexLock const lock(mutex_);
  meta_.insert_or_assign(std::string(name), to_bytes(value));
  return {};
}

Result<void> MemoryStore::erase_meta(std::string_view name) {
  MutexLock const lock(mutex_);
  meta_.erase(std::string(name));
  return {};
}

Result<std::vector<std::string>> MemoryStore::list_meta(std::string_view prefix) {
  MutexLock const lock(mutex_);
  std::vector<std::string> names;
  for (auto entry = meta_.lower_bound(prefix); entry != meta_.end(); ++entry) {
    if (!entry->first.starts_with(prefix)) break;
    names.push_back(entry->first);
  }
  return names;
}

std::uint64_t MemoryStore::used_bytes() const {
  MutexLock const lock(mutex_);
  return used_now();
}

std::uint64_t MemoryStore::used_now() const {
  std::uint64_t bytes = 0;
  for (auto const& entry : cores_) {
    bytes += entry.second->block_bytes + entry.second->nodes.size() * kNodeBytes;
  }
  return bytes;
}

void MemoryStore::set_budget_bytes(std::uint64_t bytes) {
  MutexLock const lock(mutex_);
  options_.budget_bytes = bytes;
}

}  // namespace holdfast::store
