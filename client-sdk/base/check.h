#pragma once

#include <cstdio>
#include <cstdlib>

namespace holdfast::detail {

[[noreturn]] inline void check_failed(char const* expression, char const* file, int line) {
  std::fprintf(stderr, "%s:%d: bug: this must hold: %s\n", file, line, expression);
  std::abort();
}

}  // namespace holdfast::detail

/// Stops the program when an invariant of ours is broken, in release builds too.
/// Never for what a stranger sent: that is a Result.
#define HOLDFAST_CHECK(expression)     \
  ((expression) ? static_cast<void>(0) \
                : ::holdfast::detail::check_failed(#expression, __FILE__, __LINE__))
