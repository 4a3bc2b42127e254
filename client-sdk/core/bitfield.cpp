#include "core/bitfield.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <limits>

#include "base/check.h"

namespace holdfast::core {

namespace {

constexpr std::uint64_t kPageBits = 32'768;
constexpr std::uint64_t kWordBits = 64;
constexpr std::uint64_t kWordsPerPage = kPageBits / kWordBits;
constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kAll32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kEnd = std::uint64_t{1} << 63;  ///< Above every block number.

constexpr std::uint64_t page_of(std::uint64_t block) { return block / kPageBits; }

/// Bits [from, to) of a word. Requires: from < to <= 64.
constexpr std::uint64_t mask(std::uint64_t from, std::uint64_t to) {
  return (kAll << from) & (kAll >> (kWordBits - to));
}

/// Calls `visit(word number, mask)` for each word that [from, to) touches. Requires: from < to.
template <typename Visit>
void for_each_word(std::uint64_t from, std::uint64_t to, Visit visit) {
  std::uint64_t const last = (to - 1) / kWordBits;
  for (std::uint64_t word = from / kWordBits; word <= last; ++word) {
    std::uint64_t const low = word * kWordBits;
    visit(word, mask(std::max(from, low) - low, std::min(to - low, kWordBits)));
  }
}

std::uint64_t popcount(std::uint64_t word) {
  return static_cast<std::uint64_t>(std::popcount(word));
}

/// Returns: the first bit in [from, to) that is set in `words` after flipping each by `flip`; `to`
/// if there is none.
std::uint64_t find(std::vector<std::uint64_t> const& words, std::uint64_t flip, std::uint64_t from,
                   std::uint64_t to) {
  std::uint64_t bits = kAll << (from % kWordBits);
  for (std::uint64_t word = from / kWordBits; word * kWordBits < to; ++word) {
    bits &= words[word] ^ flip;
    if (bits != 0) {
      return std::min(to, word * kWordBits + static_cast<std::uint64_t>(std::countr_zero(bits)));
    }
    bits = kAll;
  }
  return to;
}

}  // namespace

bool Bitfield::is_full(std::uint64_t page) const {
  auto const after = full_.upper_bound(page);
  return after != full_.begin() && page < std::prev(after)->second;
}

bool Bitfield::has(std::uint64_t block) const {
  std::uint64_t const page = page_of(block);
  if (auto const it = pages_.find(page); it != pages_.end()) {
    std::uint64_t const bit = block % kPageBits;
    return (it->second.words[bit / kWordBits] >> (bit % kWordBits) & 1) != 0;
  }
  return is_full(page);
}

Bitfield::Page& Bitfield::open_page(std::uint64_t page) {
  auto const [it, added] = pages_.try_emplace(page);
  if (!added) return it->second;
  bool const full = is_full(page);
  it->second.words.assign(kWordsPerPage, full ? kAll : 0);
  it->second.held = full ? kPageBits : 0;
  if (full) {
    auto const run = std::prev(full_.upper_bound(page));
    std::uint64_t const run_end = run->second;
    run->second = page;
    if (run->first == page) full_.erase(run);
    if (page + 1 < run_end) full_.emplace(page + 1, run_end);
  }
  return it->second;
}

void Bitfield::settle(std::uint64_t page) {
  auto const it = pages_.find(page);
  if (it == pages_.end()) return;
  if (it->second.held == 0) {
    pages_.erase(it);
  } else if (it->second.held == kPageBits) {
    set_pages(page, page + 1);
  }
}

void Bitfield::set_pages(std::uint64_t first, std::uint64_t last) {
  if (first >= last) return;
  pages_.erase(pages_.lower_bound(first), pages_.lower_bound(last));
  // Runs that overlap or touch become one.
  auto run = full_.upper_bound(first);
  if (run != full_.begin() && std::prev(run)->second >= first) --run;
  while (run != full_.end() && run->first <= last) {
    first = std::min(first, run->first);
    last = std::max(last, run->second);
    run = full_.erase(run);
  }
  full_.emplace(first, last);
}

void Bitfield::clear_pages(std::uint64_t first, std::uint64_t last) {
  if (first >= last) return;
  pages_.erase(pages_.lower_bound(first), pages_.lower_bound(last));
  auto run = full_.upper_bound(first);
  if (run != full_.begin() && std::prev(run)->second > first) --run;
  while (run != full_.end() && run->first < last) {
    auto const [run_first, run_last] = *run;
    run = full_.erase(run);
    if (run_first < first) full_.emplace(run_first, first);
    if (run_last > last) full_.emplace(last, run_last);
  }
}

void Bitfield::set_part(Part const& part) {
  if (part.from >= part.to || (!pages_.contains(part.page) && is_full(part.page))) return;
  Page& page = open_page(part.page);
  for_each_word(part.from, part.to, [&page](std::size_t word, std::uint64_t bits) {
    page.held += popcount(bits & ~page.words[word]);
    page.words[word] |= bits;
  });
  settle(part.page);
}

void Bitfield::clear_part(Part const& part) {
  if (part.from >= part.to || (!pages_.contains(part.page) && !is_full(part.page))) return;
  Page& page = open_page(part.page);
  for_each_word(part.from, part.to, [&page](std::size_t word, std::uint64_t bits) {
    page.held -= popcount(bits & page.words[word]);
    page.words[word] &= ~bits;
  });
  settle(part.page);
}

void Bitfield::set_range(std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  HOLDFAST_CHECK(end <= kEnd);
  std::uint64_t const first = page_of(start);
  std::uint64_t const last =
      page_of(end);  // The page of the part behind the whole pages; may be empty.
  if (first == last) return set_part({first, start % kPageBits, end % kPageBits});
  bool const whole = start % kPageBits == 0;
  if (!whole) set_part({first, start % kPageBits, kPageBits});
  set_pages(whole ? first : first + 1, last);
  set_part({last, 0, end % kPageBits});
}

void Bitfield::clear_range(std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  HOLDFAST_CHECK(end <= kEnd);
  std::uint64_t const first = page_of(start);
  std::uint64_t const last = page_of(end);
  if (first == last) return clear_part({first, start % kPageBits, end % kPageBits});
  bool const whole = start % kPageBits == 0;
  if (!whole) clear_part({first, start % kPageBits, kPageBits});
  clear_pages(whole ? first : first + 1, last);
  clear_part({last, 0, end % kPageBits});
}

void Bitfield::truncate(std::uint64_t length) { clear_range(length, kEnd); }

std::uint64_t Bitfield::first_missing(std::uint64_t from) const {
  while (true) {
    std::uint64_t const page = page_of(from);
    if (auto const it = pages_.find(page); it != pages_.end()) {
      std::uint64_t const bit = find(it->second.words, kAll, from % kPageBits, kPageBits);
      from = page * kPageBits + bit;
      if (bit < kPageBits) return from;
      continue;
    }
    auto const after = full_.upper_bound(page);
    if (after == full_.begin() || std::prev(after)->second <= page) return from;
    from = std::prev(after)->second * kPageBits;
  }
}

std::optional<std::uint64_t> Bitfield::first_held(std::uint64_t from, std::uint64_t end) const {
  if (from >= end) return std::nullopt;
  std::uint64_t found = end;
  std::uint64_t const first = page_of(from);
  auto run = full_.upper_bound(first);
  if (run != full_.begin() && std::prev(run)->second > first) --run;
  if (run != full_.end()) found = std::min(end, std::max(from, run->first * kPageBits));
  for (auto it = pages_.lower_bound(first); it != pages_.end(); ++it) {
    std::uint64_t const low = it->first * kPageBits;
    if (low >= found) break;
    std::uint64_t const bit =
        find(it->second.words, 0, std::max(from, low) - low, std::min(found - low, kPageBits));
    if (bit >= kPageBits || low + bit >= found) continue;
    return low + bit;
  }
  if (found == end) return std::nullopt;
  return found;
}

std::uint64_t Bitfield::count(std::uint64_t start, std::uint64_t end) const {
  if (start >= end) return 0;
  std::uint64_t out = 0;
  auto run = full_.upper_bound(page_of(start));
  if (run != full_.begin()) --run;
  for (; run != full_.end() && run->first * kPageBits < end; ++run) {
    std::uint64_t const low = std::max(start, run->first * kPageBits);
    std::uint64_t const high = std::min(end, run->second * kPageBits);
    if (low < high) out += high - low;
  }
  for (auto it = pages_.lower_bound(page_of(start)); it != pages_.end(); ++it) {
    std::uint64_t const low = it->first * kPageBits;
    if (low >= end) break;
    if (start <= low && low + kPageBits <= end) {
      out += it->second.held;
      continue;
    }
    for_each_word(std::max(start, low) - low, std::min(end - low, kPageBits),
                  [&](std::size_t word, std::uint64_t bits) {
                    out += popcount(it->second.words[word] & bits);
                  });
  }
  return out;
}

std::uint64_t Bitfield::count() const { return count(0, kEnd); }

std::vector<BlockRange> Bitfield::ranges(std::uint64_t start, std::uint64_t end) const {
  std::vector<BlockRange> out;
  while (std::optional<std::uint64_t> const held = first_held(start, end)) {
    start = std::min(end, first_missing(*held));
    out.push_back({.start = *held, .end = start});
  }
  return out;
}

std::vector<std::uint32_t> Bitfield::words(std::uint64_t start, std::uint64_t end) const {
  HOLDFAST_CHECK(start % 32 == 0);
  if (start >= end) return {};
  std::vector<std::uint32_t> out((end - start + 31) / 32, 0);
  auto run = full_.upper_bound(page_of(start));
  if (run != full_.begin()) --run;
  for (; run != full_.end() && run->first * kPageBits < end; ++run) {
    std::uint64_t const low = std::max(start, run->first * kPageBits);
    std::uint64_t const high = std::min(start + 32 * out.size(), run->second * kPageBits);
    for (std::uint64_t at = low; at < high; at += 32) out[(at - start) / 32] = kAll32;
  }
  for (auto it = pages_.lower_bound(page_of(start)); it != pages_.end(); ++it) {
    std::uint64_t const low = it->first * kPageBits;
    std::uint64_t const high = std::min(end, low + kPageBits);
    for (std::uint64_t at = std::max(start, low); at < high; at += 32) {
      std::uint64_t const word = it->second.words[(at - low) / kWordBits];
      out[(at - start) / 32] = static_cast<std::uint32_t>(word >> (at % kWordBits) & kAll32);
    }
    if (high == end) break;
  }
  if (end % 32 != 0) out.back() &= kAll32 >> (32 - end % 32);
  return out;
}

void Bitfield::assign_words(std::uint64_t start, std::vector<std::uint32_t> const& words) {
  HOLDFAST_CHECK(start % 32 == 0);
  std::size_t next = 0;
  while (next < words.size()) {
    std::uint64_t const block = start + 32 * next;
    std::uint64_t const page = page_of(block);
    std::uint64_t bit = block % kPageBits;
    Page& to = open_page(page);
    for (; bit < kPageBits && next < words.size(); bit += 32, ++next) {
      std::uint64_t& word = to.words[bit / kWordBits];
      std::uint64_t const old = word;
      word &= ~(std::uint64_t{0xffffffff} << (bit % kWordBits));
      word |= std::uint64_t{words[next]} << (bit % kWordBits);
      to.held = to.held + popcount(word) - popcount(old);
    }
    settle(page);
  }
}

void Bitfield::check_invariants() const {
  for (auto const& [number, page] : pages_) {
    std::uint64_t held = 0;
    for (std::uint64_t const word : page.words) held += popcount(word);
    HOLDFAST_CHECK(page.words.size() == kWordsPerPage);
    HOLDFAST_CHECK(held == page.held && held > 0 && held < kPageBits);
    HOLDFAST_CHECK(!is_full(number));
  }
  std::optional<std::uint64_t> before;
  for (auto const& [first, last] : full_) {
    HOLDFAST_CHECK(first < last && (!before || *before < first));
    before = last;
  }
}

}  // namespace holdfast::core
