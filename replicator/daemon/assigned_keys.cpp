#include "replicator/daemon/assigned_keys.h"

#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::replicator {

namespace {

constexpr char kPrefix[] = "assigned/";
constexpr std::uint64_t kVersion = 1;

std::string meta_name(DiscoveryKey const& key) { return kPrefix + key.hex(); }

}  // namespace

Result<void> AssignedKeys::load() {
  Result<std::vector<std::string>> const names = store_.list_meta(kPrefix);
  if (!names) return Unexpected(names.error());
  MutexLock const lock(mutex_);
  for (std::string const& name : *names) {
    std::optional<DiscoveryKey> const key =
        DiscoveryKey::from_hex(std::string_view(name).substr(sizeof kPrefix - 1));
    Result<std::optional<Bytes>> const value = store_.get_meta(name);
    if (!value) return Unexpected(value.error());
    if (!key || !*value) return Unexpected(ErrorCode::Malformed, "damaged entry " + name);
    Decoder in(**value);
    in.read_uint(kVersion);
    std::uint64_t const since = in.read_uint();
    if (!in.finish()) return Unexpected(ErrorCode::Malformed, "damaged entry " + name);
    since_unix_ms_[*key] = since;
  }
  return {};
}

Result<bool> AssignedKeys::add(DiscoveryKey const& key, std::uint64_t now_unix_ms) {
  MutexLock const lock(mutex_);
  if (since_unix_ms_.contains(key)) return false;
  if (since_unix_ms_.size() >= kKeysMax) {
    return Unexpected(ErrorCode::LimitExceeded, "too many assigned keys wait for a client");
  }
  Encoder out;
  out.write_uint(kVersion).write_uint(now_unix_ms);
  if (Result<void> const kept = store_.put_meta(meta_name(key), out.view()); !kept)
    return Unexpected(kept.error());
  since_unix_ms_[key] = now_unix_ms;
  return true;
}

Result<bool> AssignedKeys::remove(DiscoveryKey const& key) {
  MutexLock const lock(mutex_);
  if (!since_unix_ms_.contains(key)) return false;
  if (Result<void> const gone = store_.erase_meta(meta_name(key)); !gone)
    return Unexpected(gone.error());
  since_unix_ms_.erase(key);
  return true;
}

Result<std::size_t> AssignedKeys::expire(std::uint64_t before_unix_ms) {
  MutexLock const lock(mutex_);
  std::size_t expired = 0;
  for (auto entry = since_unix_ms_.begin(); entry != since_unix_ms_.end();) {
    if (entry->second >= before_unix_ms) {
      ++entry;
      continue;
    }
    if (Result<void> const gone = store_.erase_meta(meta_name(entry->first)); !gone)
      return Unexpected(gone.error());
    entry = since_unix_ms_.erase(entry);
    ++expired;
  }
  return expired;
}

bool AssignedKeys::has(DiscoveryKey const& key) const {
  MutexLock const lock(mutex_);
  return since_unix_ms_.contains(key);
}

std::vector<DiscoveryKey> AssignedKeys::list() const {
  MutexLock const lock(mutex_);
  std::vector<DiscoveryKey> out;
  out.reserve(since_unix_ms_.size());
  for (auto const& [key, since] : since_unix_ms_) out.push_back(key);
  return out;
}

std::size_t AssignedKeys::size() const {
  MutexLock const lock(mutex_);
  return since_unix_ms_.size();
}

}  // namespace holdfast::replicator
