#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ip_network.h"
#include "base/time.h"

namespace holdfast::discovery {

/// What is budgeted by itself. Why by itself: look-ups for keys that nobody hosts are what floods a service like this,
/// and renewals must come through whatever else is going on.
enum class RateKind : std::uint8_t { Found, NotFound, Read, Write, Renewal, NewKey };
inline constexpr std::size_t kRateKinds = 6;
/// "found", "not-found", "read", "write", "renewal", "new-key".
std::string_view rate_kind_name(RateKind kind);

/// How much one client network may do: `per_second` on average, `burst` at once.
struct RateBudget {
  std::uint64_t per_second = 1;  ///< 1 to 1,000,000.
  std::uint64_t burst = 1;       ///< 1 to 10,000,000.
};

/// One budget for each kind. IPv6 is budgeted by /64 and, with kWideFactor times as much, by /48; IPv4 by address.
struct RateBudgets {
  RateBudget found{2'000, 20'000};
  RateBudget not_found{100, 2'000};
  RateBudget read{100, 1'000};
  RateBudget write{200, 2'000};
  RateBudget renewal{500, 20'000};
  RateBudget new_key{1, 100};  ///< Keys nobody hosts that are brought to a volunteer.
  RateBudget const& of(RateKind kind) const;
};
inline constexpr std::uint64_t kWideFactor = 8;

/// What a budget says to one request.
struct RateVerdict {
  bool is_limited = false;  ///< There is a budget at all.
  bool is_refused = false;
  Duration retry_after{
      0};  ///< Refused: when one more request fits in. Grows with refusals in a row.
  std::uint64_t remaining = 0;  ///< How many more would fit in now, after this one.
};

/// The Generic Cell Rate Algorithm with one timestamp per bucket, over a table of fixed size.
///
/// Rules:
///  1. A bucket is the time at which it will be full again; a request moves it by 1 / per_second and is refused if that
///     is more than burst / per_second ahead of now. A refused request moves nothing.
///  2. The table never grows. A new bucket takes the place, among kWays, of the one that is full again soonest.
///     Why: forgetting a full bucket changes nothing, and a stranger with many addresses costs no memory.
///  3. Where a name lands is keyed by `seed`. Why: nobody can push another's bucket out on purpose.
/// [Pure] Not thread-safe. Memory: 32 bytes per bucket.
class GcraTable {
 public:
  static constexpr std::size_t kWays = 4;
  static constexpr Duration kTalkWindow{60'000};

  /// Requires: bucket_count is a power of two, at least kWays.
  GcraTable(std::size_t bucket_count, std::uint64_t seed);

  RateVerdict charge(IpAddress const& network, RateKind kind, RateBudget const& budget,
                     Instant now);
  /// As charge(), and changes nothing.
  RateVerdict peek(IpAddress const& network, RateKind kind, RateBudget const& budget,
                   Instant now) const;
  /// Adds the requests of each bucket in the window before this one to `sums`, in no order.
  void add_talk(Instant now, std::vector<std::uint64_t>& sums) const;

 private:
  struct Bucket {
    std::uint64_t tag = 0;  ///< 0: free.
    std::int64_t full_at_us = 0;
    std::uint32_t window = 0;  ///< Which kTalkWindow `talk` counts.
    std::uint32_t talk = 0;
    std::uint32_t talk_before = 0;  ///< In the window before.
    std::uint32_t refused_in_row = 0;
  };
  std::uint64_t tag_of(IpAddress const& network, RateKind kind) const;
  Bucket* find(std::uint64_t tag);
  Bucket const* find(std::uint64_t tag) const;
  static void count_talk(Bucket& bucket, Instant now);

  std::vector<Bucket> buckets_;
  std::uint64_t const seed_;
};

}  // namespace holdfast::discovery
