#include "discovery/directory/huge_pages.h"

#include <cstdlib>
#include <new>

#include <sys/mman.h>

namespace holdfast::discovery {

void* HugePages::do_allocate(std::size_t bytes, std::size_t alignment) {
  if (bytes < kHugeBytes) return ::operator new(bytes, std::align_val_t(alignment));
  std::size_t const whole = (bytes + kHugeBytes - 1) / kHugeBytes * kHugeBytes;
  void* const piece = std::aligned_alloc(kHugeBytes, whole);
  if (piece == nullptr) throw std::bad_alloc();
  ::madvise(piece, whole, MADV_HUGEPAGE);  // Where there are none, it stays as it is.
  return piece;
}

void HugePages::do_deallocate(void* piece, std::size_t bytes, std::size_t alignment) {
  if (bytes < kHugeBytes) return ::operator delete(piece, std::align_val_t(alignment));
  std::free(piece);
}

}  // namespace holdfast::discovery
