#pragma once

#include <cstddef>
#include <memory_resource>

namespace holdfast::discovery {

/// Memory whose large pieces the system may back with huge pages. Why: a look-up of a rare key waits for memory, and with
/// pages of 4 KiB a fifth of that is waiting for page tables.
/// Pieces of at least kHugeBytes are rounded up to whole huge pages; smaller ones are ordinary.
/// Thread-safe.
class HugePages final : public std::pmr::memory_resource {
 public:
  static constexpr std::size_t kHugeBytes = std::size_t{2} << 20;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* piece, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(std::pmr::memory_resource const& other) const noexcept override {
    return this == &other;
  }
};

}  // namespace holdfast::discovery
