#include "discovery/directory/miss_table.h"

#include <algorithm>

namespace holdfast::discovery {

namespace {

constexpr std::uint16_t kAskedLifeMin = 10;

std::uint16_t minute_of(Instant now) {
  return static_cast<std::uint16_t>(now.time_since_epoch().count() / 60'000);
}

}  // namespace

MissTable::Slot* MissTable::find_slot(Name name) {
  Slot* const set = &slots_[name & (slots_.size() - 1) & ~(kWays - 1)];
  Slot* const found =
      std::find_if(set, set + kWays, [name](Slot const& slot) { return slot.name == name; });
  return found == set + kWays ? nullptr : found;
}

std::optional<MissTable::Miss> MissTable::find(Name name, Instant now) {
  Slot* const slot = find_slot(name);
  if (slot == nullptr || slot->fresh_until_ms <= now.time_since_epoch().count())
    return std::nullopt;
  std::uint16_t const minute = minute_of(now);
  if (static_cast<std::uint16_t>(minute - slot->asked_at_min) >= kAskedLifeMin) slot->asked = 0;
  slot->asked_at_min = minute;
  if (slot->asked < 1'000'000) ++slot->asked;
  return Miss{slot->kind, slot->asked};
}

void MissTable::put(Name name, MissKind kind, Instant now, Duration life) {
  Slot* slot = find_slot(name);
  if (slot == nullptr) {
    Slot* const set = &slots_[name & (slots_.size() - 1) & ~(kWays - 1)];
    slot = std::min_element(set, set + kWays, [](Slot const& a, Slot const& b) {
      return a.fresh_until_ms < b.fresh_until_ms;
    });
    *slot = Slot{.name = name, .asked_at_min = minute_of(now)};
  }
  slot->kind = kind;
  slot->fresh_until_ms = (now + life).time_since_epoch().count();
}

void MissTable::erase(Name name) {
  if (Slot* const slot = find_slot(name); slot != nullptr) *slot = Slot{};
}

void MissTable::make_stale() {
  for (Slot& slot : slots_) slot.fresh_until_ms = 0;
}

}  // namespace holdfast::discovery
