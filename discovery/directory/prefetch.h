#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast::discovery {

/// Asks the processor for the cache lines of `bytes` bytes from `from` on, and does not wait for them. Nothing is read:
/// `from` may be null or gone, and less may be there. (Counted in numbers, since pointers may not be moved out of what they
/// point into.)
inline void prefetch_bytes(void const* from, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  auto const first = reinterpret_cast<std::uintptr_t>(from);
  for (std::size_t at = 0; at < bytes; at += kLine)
    __builtin_prefetch(reinterpret_cast<void const*>(first + at));
}

}  // namespace holdfast::discovery
