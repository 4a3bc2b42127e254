#pragma once

#include <algorithm>

#include "base/bytes.h"

namespace holdfast::testing {

/// Takes choices and pieces off the front of a fuzzer's input.
class FuzzInput {
 public:
  FuzzInput(Byte const* data, std::size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  /// Zero when the input is used up.
  Byte byte() {
    if (rest_.empty()) return 0;
    Byte const out = rest_.front();
    rest_ = rest_.subspan(1);
    return out;
  }
  /// At most `size` bytes.
  ByteView piece(std::size_t size) {
    ByteView const out = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  ByteView rest() { return piece(rest_.size()); }

 private:
  ByteView rest_;
};

}  // namespace holdfast::testing
