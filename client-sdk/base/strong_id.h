#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace holdfast {

/// A 64-bit number with a meaning: two kinds of index do not mix. No arithmetic beyond ++;
/// functions with names do the rest.
template <typename Tag>
class StrongId {
 public:
  constexpr StrongId() = default;
  explicit constexpr StrongId(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr StrongId next() const { return StrongId(value_ + 1); }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

 private:
  std::uint64_t value_ = 0;
};

using BlockIndex = StrongId<struct BlockIndexTag>;  ///< 0-based position of a block in a core.
using TreeIndex = StrongId<struct TreeIndexTag>;    ///< Flat in-order index of a Merkle tree node.

}  // namespace holdfast

template <typename Tag>
struct std::hash<holdfast::StrongId<Tag>> {
  std::size_t operator()(holdfast::StrongId<Tag> id) const noexcept { return id.value(); }
};
