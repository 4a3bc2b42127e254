#include "replicator/daemon/key_listing.h"

#include <algorithm>

namespace holdfast::replicator {

KeyListing::Plan KeyListing::plan(std::vector<WantedKey> const& wanted, std::uint64_t now_s,
                                  std::optional<std::uint64_t> keys_max) const {
  Plan out;
  out.replace = replace_;
  auto const by_key = [](WantedKey const& item, DiscoveryKey const& key) { return item.key < key; };
  for (auto const& [key, sent] : sent_) {
    auto const still = std::lower_bound(wanted.begin(), wanted.end(), key, by_key);
    if (still == wanted.end() || still->key != key) out.remove.push_back(key);
  }
  std::size_t refreshed = 0;
  std::vector<WantedKey> fresh;
  for (WantedKey const& item : wanted) {
    auto const known = sent_.find(item.key);
    if (known == sent_.end()) {
      fresh.push_back(item);
    } else if (known->second.is_proven != item.root.has_value()) {
      out.add.push_back(item);
    } else if (known->second.fresh_until_s <= now_s && refreshed < kRefreshPerPlanMax) {
      ++refreshed;
      out.add.push_back(item);
    }
  }
  std::uint64_t const kept = sent_.size() - out.remove.size();
  std::uint64_t const most = keys_max.value_or(kept + fresh.size());
  std::uint64_t const room = most - std::min(kept, most);
  std::stable_partition(fresh.begin(), fresh.end(),
                        [](WantedKey const& item) { return item.root.has_value(); });
  if (room < fresh.size()) out.unlisted = fresh.size() - room;
  fresh.resize(fresh.size() - out.unlisted);
  out.add.insert(out.add.end(), fresh.begin(), fresh.end());
  return out;
}

void KeyListing::on_sent(registration::ProjectsRequest const& batch, std::uint64_t now_s) {
  replace_ = false;
  for (DiscoveryKey const& key : batch.remove) sent_.erase(key);
  for (registration::ProjectListing const& listing : batch.add) {
    sent_[listing.key] = {now_s + kProofLifeS / 2, listing.proof.has_value()};
  }
}

void KeyListing::forget() {
  sent_.clear();
  replace_ = true;
}

}  // namespace holdfast::replicator
