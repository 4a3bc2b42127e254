#include "store/bit_page.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace holdfast::store {

namespace {

constexpr char kRaw = 0;
constexpr char kRun = 1;
constexpr std::size_t kRunBytes = 5;
constexpr std::size_t kRawBytes = 1 + BitPage::kBits / 8;

/// The bits [start, end) of one word. Requires: start < end <= 64.
constexpr std::uint64_t mask(std::uint64_t start, std::uint64_t end) {
  std::uint64_t const below_end = end == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << end) - 1;
  return below_end & (~std::uint64_t{0} << start);
}

template <typename Change>
void for_each_word(std::uint64_t start, std::uint64_t end, Change change) {
  HOLDFAST_CHECK(start <= end && end <= BitPage::kBits);
  while (start < end) {
    std::uint64_t const word = start / 64;
    std::uint64_t const stop = std::min(end, (word + 1) * 64);
    change(static_cast<std::size_t>(word), mask(start - word * 64, stop - word * 64));
    start = stop;
  }
}

void put_u16(std::string& to, std::uint64_t value) {
  to.push_back(static_cast<char>(value & 0xff));
  to.push_back(static_cast<char>(value >> 8));
}

std::uint64_t get_u16(std::string_view from) {
  return std::uint64_t{static_cast<Byte>(from[0])} | std::uint64_t{static_cast<Byte>(from[1])} << 8;
}

}  // namespace

void BitPage::set(std::uint64_t start, std::uint64_t end) {
  for_each_word(start, end, [this](std::size_t word, std::uint64_t bits) { words_[word] |= bits; });
}

void BitPage::clear(std::uint64_t start, std::uint64_t end) {
  for_each_word(start, end,
                [this](std::size_t word, std::uint64_t bits) { words_[word] &= ~bits; });
}

bool BitPage::empty() const {
  return std::ranges::all_of(words_, [](std::uint64_t word) { return word == 0; });
}

void BitPage::append_to(std::vector<core::BlockRange>& ranges, std::uint64_t offset) const {
  for (std::size_t i = 0; i < words_.size(); ++i) {
    std::uint64_t word = words_[i];
    std::uint64_t const base = offset + i * 64;
    while (word != 0) {
      auto const start = static_cast<std::uint64_t>(std::countr_zero(word));
      auto const size = static_cast<std::uint64_t>(std::countr_one(word >> start));
      if (!ranges.empty() && ranges.back().end == base + start) {
        ranges.back().end += size;
      } else {
        ranges.push_back({base + start, base + start + size});
      }
      word &= ~mask(start, start + size);
    }
  }
}

std::optional<core::BlockRange> BitPage::single_run() const {
  std::uint64_t start = kBits;
  std::uint64_t end = 0;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (words_[i] == 0) continue;
    std::uint64_t const base = i * 64;
    start = std::min(start, base + static_cast<std::uint64_t>(std::countr_zero(words_[i])));
    end = base + 64 - static_cast<std::uint64_t>(std::countl_zero(words_[i]));
    count += static_cast<std::uint64_t>(std::popcount(words_[i]));
  }
  if (count == 0 || end - start != count) return std::nullopt;
  return core::BlockRange{start, end};
}

std::string BitPage::encode() const {
  std::string out;
  if (std::optional<core::BlockRange> const run = single_run()) {
    out.push_back(kRun);
    put_u16(out, run->start);
    put_u16(out, run->end);
    return out;
  }
  out.reserve(kRawBytes);
  out.push_back(kRaw);
  for (std::uint64_t const word : words_) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      out.push_back(static_cast<char>((word >> shift) & 0xff));
    }
  }
  return out;
}

std::optional<BitPage> BitPage::decode(std::string_view value) {
  BitPage page;
  if (value.size() == kRunBytes && value[0] == kRun) {
    std::uint64_t const start = get_u16(value.substr(1));
    std::uint64_t const end = get_u16(value.substr(3));
    if (start >= end || end > kBits) return std::nullopt;
    page.set(start, end);
    return page;
  }
  if (value.size() != kRawBytes || value[0] != kRaw) return std::nullopt;
  for (std::size_t i = 0; i < kRawBytes - 1; ++i) {
    page.words_[i / 8] |= std::uint64_t{static_cast<Byte>(value[i + 1])} << (8 * (i % 8));
  }
  if (page.empty() || page.single_run()) return std::nullopt;
  return page;
}

Result<BitPage*> BitChanges::page(CoreId id, std::uint64_t number) {
  auto const key = std::pair(id, number);
  if (auto const found = pages_.find(key); found != pages_.end()) return &found->second;
  bool const gone = std::ranges::any_of(dropped_, [&](PageRange const& range) {
    return range.id == id && range.start <= number && number < range.end;
  });
  BitPage loaded;
  if (!gone) {
    Result<BitPage> stored = load_(id, number);
    if (!stored) return Unexpected(stored.error());
    loaded = *stored;
  }
  return &pages_.emplace(key, loaded).first->second;
}

Result<void> BitChanges::set(CoreId id, std::uint64_t block) {
  Result<BitPage*> const target = page(id, block / BitPage::kBits);
  if (!target) return Unexpected(target.error());
  std::uint64_t const bit = block % BitPage::kBits;
  (*target)->set(bit, bit + 1);
  return {};
}

void BitChanges::drop(CoreId id, std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  pages_.erase(pages_.lower_bound({id, start}), pages_.lower_bound({id, end}));
  dropped_.push_back({id, start, end});
}

Result<void> BitChanges::clear(CoreId id, std::uint64_t start, std::uint64_t end) {
  std::uint64_t const first = start / BitPage::kBits;
  std::uint64_t const last = end / BitPage::kBits;
  std::uint64_t const start_bit = start % BitPage::kBits;
  std::uint64_t const end_bit = end % BitPage::kBits;
  if (start_bit != 0 || first == last) {
    Result<BitPage*> const target = page(id, first);
    if (!target) return Unexpected(target.error());
    (*target)->clear(start_bit, first == last ? end_bit : BitPage::kBits);
  }
  if (first == last) return {};
  if (end_bit != 0) {
    Result<BitPage*> const target = page(id, last);
    if (!target) return Unexpected(target.error());
    (*target)->clear(0, end_bit);
  }
  drop(id, start_bit == 0 ? first : first + 1, last);
  return {};
}

}  // namespace holdfast::store
