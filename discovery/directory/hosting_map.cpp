#include "discovery/directory/hosting_map.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "discovery/directory/prefetch.h"

namespace holdfast::discovery {

namespace {

constexpr std::size_t kHeadWords = 5;  // Key; then lines, keyholders and the mark of the clock.
constexpr std::size_t kLineWords = 3;
constexpr std::size_t kSignatureWords = 8;
constexpr std::uint64_t kAskedFor = std::uint64_t{1} << 48;
constexpr std::uint64_t kNoProof = 0xffff;
constexpr std::size_t kRoundBytes = 64;  // Pools have blocks of its multiples.
constexpr std::size_t kSlotsAtFirst = 16;
constexpr std::size_t kLinesMax = 60'000;
constexpr std::size_t kPrefetchBytes = 192;  // A set with one line and its proof.

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

std::size_t block_bytes(std::size_t words) {
  return (words * 8 + kRoundBytes - 1) / kRoundBytes * kRoundBytes;
}

/// The different keyholders in a set; nearly always one or none.
std::vector<PublicKey> keyholders_of(std::vector<RowLine> const& lines) {
  std::vector<PublicKey> out;
  for (RowLine const& line : lines) {
    if (!line.proof) continue;
    if (std::find(out.begin(), out.end(), line.proof->keyholder) == out.end()) {
      out.push_back(line.proof->keyholder);
    }
  }
  return out;
}

}  // namespace

ByteView HostingView::keyholder(std::size_t line) const {
  std::uint64_t const* const word = keyholders() + 4 * ((at(line)[2] >> 32) & 0xffff);
  return {reinterpret_cast<Byte const*>(word), 32};
}

ByteView HostingView::signature(std::size_t line) const {
  std::uint64_t const* const word = signatures() + kSignatureWords * (at(line)[2] >> 48);
  return {reinterpret_cast<Byte const*>(word), 64};
}

RowLine HostingView::line(std::size_t line) const {
  RowLine out{.row = row(line), .generation = generation(line), .proof = std::nullopt};
  if (!has_proof(line)) return out;
  out.proof = registration::KeyholderProof{.keyholder = *PublicKey::from(keyholder(line)),
                                           .expires_unix_s = proof_expires(line),
                                           .signature = *Signature::from(signature(line))};
  return out;
}

std::size_t HostingView::word_count() const {
  std::size_t proofs = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    if (has_proof(i)) ++proofs;
  }
  return static_cast<std::size_t>(signatures() - words_) + kSignatureWords * proofs;
}

HostingMap::HostingMap(std::size_t bytes_max, std::uint64_t seed, std::pmr::memory_resource& memory)
    : bytes_max_(bytes_max), seed_(seed), memory_(memory), slots_(kSlotsAtFirst, &memory) {}

HostingMap::KeyWords HostingMap::words_of(DiscoveryKey const& key) {
  KeyWords out{};
  std::memcpy(out.data(), key.data(), 32);
  return out;
}

std::uint64_t HostingMap::hash_of(std::uint64_t const* key_words) const {
  std::uint64_t out = seed_;
  for (std::size_t i = 0; i < kKeyWords; ++i) out = mix(out ^ key_words[i]) + seed_;
  return out;
}

/// Where the key is, or the free slot where it would be.
std::size_t HostingMap::position_of(KeyWords const& key, std::uint64_t hash) const {
  std::size_t const mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].words != nullptr) {
    Slot const& slot = slots_[at];
    if (slot.tag == tag_of(hash) && std::memcmp(slot.words, key.data(), 32) == 0) return at;
    at = (at + 1) & mask;
  }
  return at;
}

std::size_t HostingMap::position_of(DiscoveryKey const& key) const {
  KeyWords const words = words_of(key);
  return position_of(words, hash_of(words.data()));
}

/// What a slot with the right tag leads to, before it is known whether that is the key's.
void HostingMap::prefetch(std::uint64_t hash, ReplicatorTable const& table) const {
  std::size_t const mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].words != nullptr && slots_[at].tag != tag_of(hash)) at = (at + 1) & mask;
  Slot const& slot = slots_[at];
  if (slot.words == nullptr) return;
  prefetch_bytes(slot.words, kPrefetchBytes);
  table.prefetch(slot.first_row);
}

HostingView HostingMap::find(DiscoveryKey const& key, ReplicatorTable const& table) {
  KeyWords const words = words_of(key);
  std::uint64_t const hash = hash_of(words.data());
  prefetch(hash, table);
  Slot const& slot = slots_[position_of(words, hash)];
  if (slot.words == nullptr) return {};
  // Written only when it changes: the line stays clean in the caches of other cores.
  if ((slot.words[kKeyWords] & kAskedFor) == 0) slot.words[kKeyWords] |= kAskedFor;
  return HostingView(slot.words);
}

void HostingMap::put(DiscoveryKey const& key, std::vector<RowLine> const& lines) {
  HOLDFAST_CHECK(lines.size() <= kLinesMax);
  erase(key);
  std::vector<PublicKey> const keyholders = keyholders_of(lines);
  auto const proofs = static_cast<std::size_t>(std::count_if(
      lines.begin(), lines.end(), [](RowLine const& line) { return line.proof.has_value(); }));
  std::size_t const word_count = kHeadWords + kLineWords * lines.size() +
                                 kKeyWords * keyholders.size() + kSignatureWords * proofs;
  if (block_bytes(word_count) + slots_.size() * sizeof(Slot) > bytes_max_) return;
  if ((count_ + 1) * 8 > slots_.size() * 7) grow();
  while (count_ > 0 && bytes() + block_bytes(word_count) > bytes_max_) evict_one();

  auto* const words = static_cast<std::uint64_t*>(memory_.allocate(word_count * 8));
  std::fill_n(words, word_count, 0);
  std::memcpy(words, key.data(), 32);
  words[kKeyWords] = lines.size() | keyholders.size() << 16 | kAskedFor;
  std::uint64_t* line_at = words + kHeadWords;
  std::uint64_t* const keyholder_at = line_at + kLineWords * lines.size();
  std::uint64_t* const signature_at = keyholder_at + kKeyWords * keyholders.size();
  std::uint64_t next_proof = 0;
  for (RowLine const& line : lines) {
    line_at[0] = line.generation;
    line_at[2] = line.row | kNoProof << 48;
    if (line.proof) {
      auto const keyholder =
          std::find(keyholders.begin(), keyholders.end(), line.proof->keyholder) -
          keyholders.begin();
      line_at[1] = line.proof->expires_unix_s;
      line_at[2] = line.row | static_cast<std::uint64_t>(keyholder) << 32 | next_proof << 48;
      std::memcpy(signature_at + kSignatureWords * next_proof++, line.proof->signature.data(), 64);
    }
    line_at += kLineWords;
  }
  for (std::size_t i = 0; i < keyholders.size(); ++i) {
    std::memcpy(keyholder_at + kKeyWords * i, keyholders[i].data(), 32);
  }
  Slot& slot = slots_[position_of(key)];
  slot.tag = tag_of(hash_of(words));
  slot.first_row = lines.empty() ? 0 : lines.front().row;
  slot.words = words;
  ++count_;
  bytes_ += block_bytes(word_count);
}

bool HostingMap::erase(DiscoveryKey const& key) {
  std::size_t const at = position_of(key);
  if (slots_[at].words == nullptr) return false;
  remove_at(at);
  return true;
}

void HostingMap::free_block(std::uint64_t* words) {
  std::size_t const word_count = HostingView(words).word_count();
  memory_.deallocate(words, word_count * 8);
  bytes_ -= block_bytes(word_count);
  --count_;
}

/// Linear probing without tombstones: what follows moves up as far as it may.
void HostingMap::remove_at(std::size_t at) {
  free_block(slots_[at].words);
  slots_[at] = Slot{};
  std::size_t const mask = slots_.size() - 1;
  for (std::size_t next = (at + 1) & mask; slots_[next].words != nullptr;
       next = (next + 1) & mask) {
    std::size_t const home = home_of(slots_[next]);
    if (((next - home) & mask) < ((next - at) & mask)) continue;
    slots_[at] = slots_[next];
    slots_[next] = Slot{};
    at = next;
  }
}

/// Requires: count_ > 0.
void HostingMap::evict_one() {
  while (true) {
    hand_ = (hand_ + 1) & (slots_.size() - 1);
    Slot& slot = slots_[hand_];
    if (slot.words == nullptr) continue;
    if ((slot.words[kKeyWords] & kAskedFor) == 0) return remove_at(hand_);
    slot.words[kKeyWords] &= ~kAskedFor;
  }
}

/// Makes place for one more slot.
void HostingMap::grow() {
  if (bytes() + slots_.size() * sizeof(Slot) > bytes_max_) {
    while ((count_ + 1) * 8 > slots_.size() * 7) evict_one();
    return;
  }
  std::pmr::vector<Slot> old(slots_.size() * 2, slots_.get_allocator());
  old.swap(slots_);
  std::size_t const mask = slots_.size() - 1;
  for (Slot const& slot : old) {
    if (slot.words == nullptr) continue;
    std::size_t at = home_of(slot);
    while (slots_[at].words != nullptr) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

void HostingMap::clear() {
  for (Slot const& slot : slots_) {
    if (slot.words != nullptr) free_block(slot.words);
  }
  slots_ = std::pmr::vector<Slot>(kSlotsAtFirst, slots_.get_allocator());
  hand_ = 0;
}

}  // namespace holdfast::discovery
