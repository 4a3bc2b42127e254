#include "replicator/daemon/projects.h"

#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::replicator {

namespace {

constexpr char kPrefix[] = "project/";
constexpr std::uint64_t kVersion = 1;

std::string meta_name(CoreKey const& root) { return kPrefix + root.hex(); }

}  // namespace

Result<void> Projects::load() {
  Result<std::vector<std::string>> const names = store_.list_meta(kPrefix);
  if (!names) return Unexpected(names.error());
  MutexLock const lock(mutex_);
  for (std::string const& name : *names) {
    std::optional<CoreKey> const root =
        CoreKey::from_hex(std::string_view(name).substr(sizeof kPrefix - 1));
    Result<std::optional<Bytes>> const value = store_.get_meta(name);
    if (!value) return Unexpected(value.error());
    if (!root || !*value) return Unexpected(ErrorCode::Malformed, "damaged project entry " + name);
    Decoder in(**value);
    in.read_uint(kVersion);
    std::size_t const count = in.read_count(kMembersMax, CoreKey::kSize);
    roots_[discovery_key_of(*root)] = *root;
    std::set<CoreKey>& members = projects_[*root];
    for (std::size_t i = 0; i < count; ++i) members.insert(in.read_fixed<CoreKey>());
    if (!in.finish()) return Unexpected(ErrorCode::Malformed, "damaged project entry " + name);
  }
  return {};
}

Result<void> Projects::persist(CoreKey const& root, std::set<CoreKey> const& members) {
  Encoder out;
  out.write_uint(kVersion).write_uint(members.size());
  for (CoreKey const& member : members) out.write_raw(member.view());
  return store_.put_meta(meta_name(root), out.view());
}

Result<bool> Projects::add(CoreKey const& root) {
  MutexLock const lock(mutex_);
  if (projects_.contains(root)) return false;
  if (Result<void> const kept = persist(root, {}); !kept) return Unexpected(kept.error());
  projects_[root];
  roots_[discovery_key_of(root)] = root;
  return true;
}

Result<bool> Projects::remove(CoreKey const& root) {
  MutexLock const lock(mutex_);
  if (!projects_.contains(root)) return false;
  if (Result<void> const gone = store_.erase_meta(meta_name(root)); !gone)
    return Unexpected(gone.error());
  projects_.erase(root);
  roots_.erase(discovery_key_of(root));
  return true;
}

Result<bool> Projects::add_member(CoreKey const& root, CoreKey const& member) {
  MutexLock const lock(mutex_);
  auto const found = projects_.find(root);
  if (found == projects_.end()) return Unexpected(ErrorCode::NotFound, "project is not hosted");
  if (member == root || found->second.contains(member)) return false;
  if (found->second.size() >= kMembersMax) {
    return Unexpected(ErrorCode::LimitExceeded, "project has too many cores");
  }
  std::set<CoreKey> members = found->second;
  members.insert(member);
  if (Result<void> const kept = persist(root, members); !kept) return Unexpected(kept.error());
  found->second = std::move(members);
  return true;
}

bool Projects::has(CoreKey const& root) const {
  MutexLock const lock(mutex_);
  return projects_.contains(root);
}

bool Projects::has(DiscoveryKey const& key) const {
  MutexLock const lock(mutex_);
  return roots_.contains(key);
}

std::size_t Projects::size() const {
  MutexLock const lock(mutex_);
  return projects_.size();
}

std::vector<std::pair<DiscoveryKey, CoreKey>> Projects::by_discovery_key() const {
  MutexLock const lock(mutex_);
  return {roots_.begin(), roots_.end()};
}

std::vector<CoreKey> Projects::roots() const {
  MutexLock const lock(mutex_);
  std::vector<CoreKey> out;
  for (auto const& [root, members] : projects_) out.push_back(root);
  return out;
}

std::vector<CoreKey> Projects::members(CoreKey const& root) const {
  MutexLock const lock(mutex_);
  auto const found = projects_.find(root);
  if (found == projects_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<CoreKey> Projects::projects_of(CoreKey const& core) const {
  MutexLock const lock(mutex_);
  std::vector<CoreKey> out;
  for (auto const& [root, members] : projects_) {
    if (root == core || members.contains(core)) out.push_back(root);
  }
  return out;
}

}  // namespace holdfast::replicator
