#include "replicator/daemon/key_listing.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <set>

namespace holdfast::replicator {

namespace {

bool is_wanted(std::vector<WantedKey> const& wanted, DiscoveryKey const& key) {
  auto const by_key = [](WantedKey const& item, DiscoveryKey const& to) { return item.key < to; };
  auto const found = std::lower_bound(wanted.begin(), wanted.end(), key, by_key);
  return found != wanted.end() && found->key == key;
}

/// Appends as many as there is room for. Returns: how many there was no room for.
std::size_t take(std::vector<WantedKey> const& from, std::uint64_t& room,
                 std::vector<WantedKey>& into) {
  std::size_t const taken = static_cast<std::size_t>(std::min<std::uint64_t>(room, from.size()));
  into.insert(into.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(taken));
  room -= taken;
  return from.size() - taken;
}

}  // namespace

KeyListing::Plan KeyListing::plan(std::vector<WantedKey> const& wanted, std::uint64_t now_s,
                                  std::optional<std::uint64_t> keys_max) {
  Plan out;
  out.replace = replace_;
  for (auto const& [key, sent] : sent_) {
    if (!is_wanted(wanted, key)) out.remove.push_back(key);
  }
  for (auto each = refused_.begin(); each != refused_.end();) {
    each = is_wanted(wanted, each->first) ? std::next(each) : refused_.erase(each);
  }
  std::size_t refreshed = 0;
  std::vector<WantedKey> fresh;
  std::vector<WantedKey> offered;
  for (WantedKey const& item : wanted) {
    auto const known = sent_.find(item.key);
    if (known == sent_.end()) {
      auto const refused = refused_.find(item.key);
      if (refused == refused_.end()) {
        fresh.push_back(item);
      } else if (is_due(refused->second, item, now_s) && offered.size() < kRefreshPerPlanMax) {
        offered.push_back(item);
      }
    } else if (known->second.is_proven != item.root.has_value()) {
      out.add.push_back(item);
    } else if (known->second.fresh_until_s <= now_s && refreshed < kRefreshPerPlanMax) {
      ++refreshed;
      out.add.push_back(item);
    }
  }
  std::uint64_t const kept = sent_.size() - out.remove.size();
  std::uint64_t const most = keys_max.value_or(kept + fresh.size() + offered.size());
  std::uint64_t room = most - std::min(kept, most);
  std::stable_partition(fresh.begin(), fresh.end(),
                        [](WantedKey const& item) { return item.root.has_value(); });
  out.unlisted = take(fresh, room, out.add);
  take(offered, room, out.add);
  return out;
}

bool KeyListing::is_due(Refused const& refused, WantedKey const& item, std::uint64_t now_s) {
  return refused.offer_at_s <= now_s || (item.root.has_value() && !refused.is_proven);
}

std::vector<DiscoveryKey> KeyListing::on_sent(registration::ProjectsRequest const& batch,
                                              std::vector<DiscoveryKey> const& refused,
                                              std::uint64_t now_s) {
  replace_ = false;
  for (DiscoveryKey const& key : batch.remove) sent_.erase(key);
  std::set<DiscoveryKey> const left_out(refused.begin(), refused.end());
  std::vector<DiscoveryKey> out;
  for (auto const& [key, proof] : batch.add) {
    if (!left_out.contains(key)) {
      refused_.erase(key);
      sent_[key] = {now_s + kProofLifeS / 2, proof.has_value()};
      continue;
    }
    sent_.erase(key);
    Refused const line{now_s + offer_again_s_, proof.has_value()};
    if (refused_.insert_or_assign(key, line).second) out.push_back(key);
  }
  return out;
}

void KeyListing::forget() {
  sent_.clear();
  for (auto& [key, refused] : refused_) refused.offer_at_s = 0;
  replace_ = false;
}

void KeyListing::replace() {
  forget();
  replace_ = true;
}

}  // namespace holdfast::replicator
