#include "discovery/store/memory_extras.h"

#include <iterator>

namespace holdfast::discovery {

namespace {

std::uint64_t end_of(Duration life, std::uint64_t now) {
  return now + static_cast<std::uint64_t>(std::max<Duration::rep>(life.count(), 0));
}

Duration left_of(std::uint64_t end_unix_ms, std::uint64_t now) {
  return Duration(static_cast<Duration::rep>(end_unix_ms > now ? end_unix_ms - now : 0));
}

}  // namespace

Result<void> check_shared(std::string_view name, std::string_view value) {
  if (name.size() > kSharedNameBytesMax || value.size() > kSharedValueBytesMax) {
    return Unexpected(ErrorCode::LimitExceeded, "name or value too long to be shared");
  }
  return {};
}

Claim ClaimTable::claim(DiscoveryKey const& key, PublicKey const& id,
                        std::optional<PublicKey> const& instead_of, Duration life,
                        std::uint64_t now) {
  auto const found = claims_.find(key);
  bool const is_held = found != claims_.end() && found->second.end_unix_ms > now &&
                       !(instead_of && found->second.id == *instead_of);
  if (is_held) return {found->second.id, left_of(found->second.end_unix_ms, now), false};
  claims_[key] = {id, end_of(life, now)};
  return {id, life, true};
}

void ClaimTable::sweep(std::uint64_t now) {
  std::erase_if(claims_, [now](auto const& kept) { return kept.second.end_unix_ms <= now; });
}

void AssignmentTable::drop_old(std::uint64_t now) {
  for (auto next = by_cursor_.begin(); next != by_cursor_.end();) {
    if (next->second.end_unix_ms > now) {
      ++next;
      continue;
    }
    cursors_.erase(next->second.key);
    next = by_cursor_.erase(next);
  }
}

bool AssignmentTable::assign(DiscoveryKey const& key, Duration life, std::size_t max,
                             std::uint64_t now) {
  drop_old(now);
  erase(key);
  if (by_cursor_.size() >= max) return false;
  last_ = std::max(last_ + 1, now);
  by_cursor_[last_] = {key, end_of(life, now)};
  cursors_[key] = last_;
  return true;
}

void AssignmentTable::erase(DiscoveryKey const& key) {
  auto const found = cursors_.find(key);
  if (found == cursors_.end()) return;
  by_cursor_.erase(found->second);
  cursors_.erase(found);
}

Assignments AssignmentTable::after(std::uint64_t cursor, std::size_t limit, std::uint64_t now) {
  drop_old(now);
  Assignments out;
  out.cursor = cursor;
  for (auto next = by_cursor_.upper_bound(cursor);
       next != by_cursor_.end() && out.keys.size() < limit; ++next) {
    out.cursor = next->first;
    out.keys.push_back(next->second.key);
  }
  return out;
}

void PeerTable::announce(DiscoveryKey const& key, PeerEndpoint const& peer, Duration life,
                         std::size_t max, std::uint64_t now) {
  std::vector<Kept>& kept = peers_[key];
  std::erase_if(kept, [&](Kept const& one) { return one.end_unix_ms <= now || one.peer == peer; });
  if (kept.size() >= max) {
    kept.erase(std::min_element(kept.begin(), kept.end(), [](Kept const& a, Kept const& b) {
      return a.end_unix_ms < b.end_unix_ms;
    }));
  }
  kept.push_back({peer, end_of(life, now)});
}

std::vector<PeerEndpoint> PeerTable::of(DiscoveryKey const& key, std::uint64_t now) {
  std::vector<PeerEndpoint> out;
  auto const found = peers_.find(key);
  if (found == peers_.end()) return out;
  for (Kept const& one : found->second) {
    if (one.end_unix_ms > now) out.push_back(one.peer);
  }
  return out;
}

void PeerTable::sweep(std::uint64_t now) {
  for (auto next = peers_.begin(); next != peers_.end();) {
    std::erase_if(next->second, [now](Kept const& one) { return one.end_unix_ms <= now; });
    next = next->second.empty() ? peers_.erase(next) : std::next(next);
  }
}

void SharedTable::drop_old(Values& values, std::uint64_t now) {
  std::erase_if(values, [now](auto const& kept) {
    return kept.second.end_unix_ms && *kept.second.end_unix_ms <= now;
  });
}

Result<bool> SharedTable::put(SharedKind kind, std::string_view name, std::string_view value,
                              PutRules const& rules, std::uint64_t now) {
  Values& values = kinds_[kind];
  drop_old(values, now);
  auto const found = values.find(name);
  if (found != values.end() && rules.only_if_absent) return false;
  if (found == values.end() && values.size() >= rules.max) {
    return Unexpected(ErrorCode::LimitExceeded, "too many shared values");
  }
  Kept kept;
  kept.value = value;
  if (rules.life) kept.end_unix_ms = end_of(*rules.life, now);
  values.insert_or_assign(std::string(name), std::move(kept));
  return true;
}

std::optional<std::string> SharedTable::take(SharedKind kind, std::string_view name,
                                             std::uint64_t now) {
  Values& values = kinds_[kind];
  drop_old(values, now);
  auto const found = values.find(name);
  if (found == values.end()) return std::nullopt;
  std::string out = std::move(found->second.value);
  values.erase(found);
  return out;
}

std::vector<Shared> SharedTable::list(SharedKind kind, std::uint64_t now) {
  Values& values = kinds_[kind];
  drop_old(values, now);
  std::vector<Shared> out;
  for (auto const& [name, kept] : values) {
    Shared& next = out.emplace_back();
    next.name = name;
    next.value = kept.value;
    if (kept.end_unix_ms) next.left = left_of(*kept.end_unix_ms, now);
  }
  return out;
}

}  // namespace holdfast::discovery
