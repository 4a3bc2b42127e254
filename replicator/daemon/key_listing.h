#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "crypto/keys.h"
#include "registration/api.h"

namespace holdfast::replicator {

/// A registry key that a service is to list for this node.
struct WantedKey {
  DiscoveryKey key;
  std::optional<CoreKey>
      root;  ///< The project key, if it is known: then a proof goes with the key.
};

/// Bytes of a key in the JSON of a batch, with and without a proof, and of one that is removed; at most.
inline constexpr std::size_t kProvenListingBytes = 334;
inline constexpr std::size_t kListingBytes = 76;
inline constexpr std::size_t kRemovalBytes = 67;
/// Room for keys in one batch: a thousand with proofs are more than a service reads.
inline constexpr std::size_t kBatchBytesMax = registration::kProjectsBytesMax - 1'024;

/// Which keys one discovery service was told of, and what to tell it next.
///
/// Rules:
///  1. Every key is sent again, with a fresh proof, before half of kProofLifeS is over, at most
///     kRefreshPerPlanMax at a time. Why: so that partial loss at the service heals without a flood.
///  2. A key whose project key became known is sent again with a proof.
///  3. A service that lists only so many keys is told of no more: those it lists stay, then come projects, then assigned
///     keys, each in order of key. Why: a batch that goes beyond is refused whole.
///  4. A key that the service refuses, because it has too many hosts, does not count as listed. It is offered again after
///     `offer_again_s`, as spread as in rule 1 and behind all others, and at once when its project key became known, when
///     it was unwanted meanwhile, and when everything is sent again. Why: otherwise the service's count never agrees with
///     ours, and all keys are sent again at each renewal.
///  5. What the service lists from an earlier run is added to, and replaced only if that leaves it with more than it was
///     told. Why: the first batch that replaces takes all other keys out of the answers, until the last one is sent.
/// [Pure]
class KeyListing {
 public:
  static constexpr std::uint64_t kProofLifeS = 24 * 3'600;
  static constexpr std::size_t kRefreshPerPlanMax = 256;
  static constexpr std::uint64_t kOfferAgainS = 3'600;

  /// `offer_again_s`: see rule 4; jittered by the caller.
  explicit KeyListing(std::uint64_t offer_again_s = kOfferAgainS) : offer_again_s_(offer_again_s) {}

  struct Plan {
    bool replace = false;  ///< What the service listed before is to be forgotten.
    std::vector<DiscoveryKey> remove;
    std::vector<WantedKey> add;
    std::size_t unlisted = 0;  ///< Wanted, and left out by rule 3.
    bool empty() const { return !replace && remove.empty() && add.empty(); }
  };

  /// `wanted`: sorted by key, each once. `keys_max`: how many the service lists, if it says so.
  Plan plan(std::vector<WantedKey> const& wanted, std::uint64_t now_s,
            std::optional<std::uint64_t> keys_max = std::nullopt);
  /// The service has taken this, but for `refused` (what is not in the batch is ignored).
  /// Returns: those that it had not refused before; whoever logs them says it once for each key.
  std::vector<DiscoveryKey> on_sent(registration::ProjectsRequest const& batch,
                                    std::vector<DiscoveryKey> const& refused, std::uint64_t now_s);
  /// Nobody knows what the service lists of what we told it: everything is sent again.
  void forget();
  /// It lists what we did not tell it: everything is sent again, in place of what it lists.
  void replace();
  /// Keys that the service lists.
  std::size_t size() const { return sent_.size(); }
  /// Wanted, and not listed by rule 4.
  std::size_t refused_count() const { return refused_.size(); }

 private:
  struct Sent {
    std::uint64_t fresh_until_s = 0;
    bool is_proven = false;
  };
  struct Refused {
    std::uint64_t offer_at_s = 0;
    bool is_proven = false;
  };
  static bool is_due(Refused const& refused, WantedKey const& item, std::uint64_t now_s);

  std::uint64_t const offer_again_s_;
  std::map<DiscoveryKey, Sent> sent_;
  std::map<DiscoveryKey, Refused> refused_;  ///< None of them is in sent_.
  bool replace_ = false;
};

}  // namespace holdfast::replicator
