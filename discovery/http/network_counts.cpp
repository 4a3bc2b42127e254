#include "discovery/http/network_counts.h"

namespace holdfast::discovery {

namespace {

std::vector<unsigned> prefixes_of(IpAddress const& address) {
  return address.is_v4() ? std::vector<unsigned>{24} : std::vector<unsigned>{64, 48};
}

}  // namespace

void NetworkCounts::count(IpAddress const& address, bool up) {
  for (unsigned const bits : prefixes_of(address)) {
    std::size_t& registered = counts_[{bits, network_of(address, bits)}];
    registered = up ? registered + 1 : registered - 1;
    if (registered == 0) counts_.erase({bits, network_of(address, bits)});
  }
}

void NetworkCounts::put(PublicKey const& id, std::string_view host) {
  std::optional<IpAddress> const address = IpAddress::parse(host);
  if (auto const known = sources_.find(id); known != sources_.end()) {
    if (address == known->second) return;
    remove(id);
  }
  if (!address) return;
  sources_.emplace(id, *address);
  count(*address, /*up=*/true);
}

void NetworkCounts::remove(PublicKey const& id) {
  auto const known = sources_.find(id);
  if (known == sources_.end()) return;
  count(known->second, /*up=*/false);
  sources_.erase(known);
}

void NetworkCounts::clear() {
  sources_.clear();
  counts_.clear();
}

std::vector<NetworkCounts::Count> NetworkCounts::around(IpAddress const& address) const {
  std::vector<Count> out;
  for (unsigned const bits : prefixes_of(address)) {
    auto const found = counts_.find({bits, network_of(address, bits)});
    out.push_back({bits, found == counts_.end() ? 0 : found->second});
  }
  return out;
}

std::vector<PublicKey> NetworkCounts::in(IpNetwork const& network) const {
  std::vector<PublicKey> out;
  for (auto const& [id, source] : sources_) {
    if (network.contains(source)) out.push_back(id);
  }
  return out;
}

}  // namespace holdfast::discovery
