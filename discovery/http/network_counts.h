#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip_network.h"
#include "crypto/keys.h"

namespace holdfast::discovery {

/// How many replicators registered from each network. Memory: about 400 bytes for each. Thread-safety: none.
class NetworkCounts {
 public:
  /// `host`: a literal; anything else is counted nowhere. Moves an id that was known from elsewhere.
  void put(PublicKey const& id, std::string_view host);
  void remove(PublicKey const& id);
  void clear();

  /// The networks an address counts for, with what is registered there: /24 for IPv4, /64 and /48 for IPv6.
  struct Count {
    unsigned prefix_bits = 0;
    std::size_t registered = 0;
  };
  std::vector<Count> around(IpAddress const& address) const;
  bool has(PublicKey const& id) const { return sources_.contains(id); }
  std::vector<PublicKey> in(IpNetwork const& network) const;

 private:
  using Network = std::pair<unsigned, IpAddress>;
  void count(IpAddress const& address, bool up);

  std::map<PublicKey, IpAddress> sources_;
  std::map<Network, std::size_t> counts_;
};

}  // namespace holdfast::discovery
