#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_network.h"

namespace holdfast::discovery {

/// Where a client seems to be, by its address: ISO 3166-1 code of the country, and AF, AN, AS, EU, NA, OC or SA; two
/// letters in lower case each, zeros where that is not known.
struct ClientPlace {
  std::array<char, 2> country{};
  std::array<char, 2> continent{};
  friend bool operator==(ClientPlace const&, ClientPlace const&) = default;
};

/// "br"; empty for zeros. Borrowed from `code`.
std::string_view text_of(std::array<char, 2> const& code);

/// Where a client wants its endpoints to be.
///
/// Rules:
///  1. What was asked for is compared as it is, and what was guessed does not count beside it.
///  2. Regions of replicators are free labels. A guess matches a label that is the code of the country or of the continent,
///     in upper or lower case; the country comes first. Nothing else is concluded. Why: which labels are near each other
///     only the operators know, who can label their nodes by continent.
struct RegionWish {
  std::string label{};    ///< As asked for; may be empty.
  ClientPlace guessed{};  ///< Zeros: nothing was guessed.

  /// How far behind a replicator with this label is: 0 if it is where it should be, or if nothing is wished; 1 or 2 if not.
  std::uint32_t steps_to(std::string_view region) const;
  friend bool operator==(RegionWish const&, RegionWish const&) = default;
};

/// Knows where addresses are. Thread-safe; asked on event loops, so it neither blocks nor allocates.
class ClientPlaces {
 public:
  virtual ~ClientPlaces() = default;
  /// Zeros if it does not know.
  virtual ClientPlace place_of(IpAddress const& address) const = 0;
  /// When what it knows was put together, in Unix seconds.
  virtual std::uint64_t built_unix_s() const = 0;
};

}  // namespace holdfast::discovery
