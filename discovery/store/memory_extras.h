#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// The parts of the memory store that know nothing of leases. Each takes the store's time; none is
/// thread-safe. Memory: what is over is dropped when its own entry is touched, and everywhere by
/// sweep().

class ClaimTable {
 public:
  Claim claim(DiscoveryKey const& key, PublicKey const& id,
              std::optional<PublicKey> const& instead_of, Duration life, std::uint64_t now);
  void sweep(std::uint64_t now);

 private:
  struct Kept {
    PublicKey id;
    std::uint64_t end_unix_ms = 0;
  };
  std::map<DiscoveryKey, Kept> claims_;
};

class AssignmentTable {
 public:
  /// Returns: false if there are `max` already.
  bool assign(DiscoveryKey const& key, Duration life, std::size_t max, std::uint64_t now);
  Assignments after(std::uint64_t cursor, std::size_t limit, std::uint64_t now);
  void erase(DiscoveryKey const& key);

 private:
  struct Kept {
    DiscoveryKey key;
    std::uint64_t end_unix_ms = 0;
  };
  void drop_old(std::uint64_t now);

  std::map<std::uint64_t, Kept> by_cursor_;
  std::map<DiscoveryKey, std::uint64_t> cursors_;
  std::uint64_t last_ = 0;
};

class PeerTable {
 public:
  void announce(DiscoveryKey const& key, PeerEndpoint const& peer, Duration life, std::size_t max,
                std::uint64_t now);
  std::vector<PeerEndpoint> of(DiscoveryKey const& key, std::uint64_t now);
  void sweep(std::uint64_t now);

 private:
  struct Kept {
    PeerEndpoint peer;
    std::uint64_t end_unix_ms = 0;
  };
  std::map<DiscoveryKey, std::vector<Kept>> peers_;
};

class SharedTable {
 public:
  struct PutRules {
    std::optional<Duration> life;
    bool only_if_absent = false;
    std::size_t max = 0;  ///< Values of one kind.
  };

  Result<bool> put(SharedKind kind, std::string_view name, std::string_view value,
                   PutRules const& rules, std::uint64_t now);
  std::optional<std::string> take(SharedKind kind, std::string_view name, std::uint64_t now);
  std::vector<Shared> list(SharedKind kind, std::uint64_t now);

 private:
  struct Kept {
    std::string value;
    std::optional<std::uint64_t> end_unix_ms;
  };
  using Values = std::map<std::string, Kept, std::less<>>;
  void drop_old(Values& values, std::uint64_t now);

  std::map<SharedKind, Values> kinds_;
};

/// Bounds of put_shared that hold for every store. Errors: LimitExceeded.
Result<void> check_shared(std::string_view name, std::string_view value);

}  // namespace holdfast::discovery
