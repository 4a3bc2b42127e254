#include "wire/frame_reader.h"

#include <algorithm>

namespace holdfast::wire {

namespace {

constexpr std::size_t kKeptBytesMax =
    256 * 1024;  // A buffer above this is given back after its frame.

}  // namespace

Result<std::optional<ByteView>> FrameReader::next(ByteView& bytes) {
  if (partial_done_) {
    partial_.clear();
    if (partial_.capacity() > kKeptBytesMax) partial_.shrink_to_fit();
    partial_done_ = false;
  }
  while (header_bytes_ < kFrameHeaderBytes) {
    if (bytes.empty()) return std::optional<ByteView>();
    length_ |= std::size_t{bytes.front()} << (8 * header_bytes_);
    bytes = bytes.subspan(1);
    if (++header_bytes_ == kFrameHeaderBytes && length_ > frame_bytes_max_) {
      return Unexpected(ErrorCode::LimitExceeded, "frame larger than its limit");
    }
  }
  std::size_t const taken = std::min(length_ - partial_.size(), bytes.size());
  ByteView const piece = bytes.first(taken);
  bytes = bytes.subspan(taken);
  bool const in_one_piece = partial_.empty() && taken == length_;
  if (!in_one_piece) append(partial_, piece);
  if (!in_one_piece && partial_.size() < length_) return std::optional<ByteView>();
  partial_done_ = !in_one_piece;
  header_bytes_ = 0;
  length_ = 0;
  return std::optional<ByteView>(in_one_piece ? piece : ByteView(partial_));
}

}  // namespace holdfast::wire
