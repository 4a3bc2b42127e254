#include "discovery/directory/replicator_table.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/check.h"

namespace holdfast::discovery {

namespace {

constexpr std::int64_t kCandidatesAgeMaxMs = 200;
constexpr std::int64_t kChangesMissedMaxMs = 50;
constexpr std::size_t kGoneRowsMax = 65'536;

/// Of a lease, in store time.
std::int64_t end_of_lease(Duration left, std::int64_t now_ms) {
  return left.count() <= 0 ? 0 : now_ms + left.count();
}

std::uint32_t load_permille(registration::LoadFigures const& load, std::uint64_t projects,
                            std::uint64_t capacity) {
  std::uint64_t const held = std::max(projects, load.projects);
  std::uint64_t const filled =
      capacity == 0 ? 0 : std::min<std::uint64_t>(held, capacity) * 1'000 / capacity;
  return static_cast<std::uint32_t>(
      std::max(filled, std::min<std::uint64_t>(load.cpu_permille, 1'000)));
}

bool is_full(registration::LoadFigures const& load, std::uint64_t projects,
             std::uint64_t capacity) {
  return load.storage_full || (capacity > 0 && std::max(projects, load.projects) >= capacity);
}

Verdict candidate_standing(Row const& row, RowText const& text, Judgement const& judgement) {
  Verdict const standing = standing_of(row, judgement);
  if (standing != Verdict::Chosen) return standing;
  if (text.accept != registration::AcceptMode::Assigned) return Verdict::NotAccepting;
  bool const full = (row.flags.load(std::memory_order_relaxed) & Row::kFull) != 0;
  return full ? Verdict::Full : Verdict::Chosen;
}

void count(Verdict standing, ReplicatorCounts& counts) {
  if (standing == Verdict::Chosen) ++counts.listed;
  if (standing == Verdict::Draining) ++counts.draining;
  if (standing == Verdict::NotTested) ++counts.untested;
  if (standing == Verdict::TestFailed) ++counts.failed;
  if (standing == Verdict::Unhealthy) ++counts.out;
  if (standing == Verdict::LeaseRanOut) ++counts.expired;
}

}  // namespace

ReplicatorTable::~ReplicatorTable() {
  for (std::atomic<Row*>& chunk : chunks_) {
    std::unique_ptr<Row[]> const rows(chunk.load());
    if (rows == nullptr) continue;
    for (std::size_t i = 0; i < kChunkRows; ++i) {
      RowTextPtr const text(rows[i].text.load(), {&memory_});
    }
  }
}

ReplicatorTable::Named* ReplicatorTable::name(PublicKey const& id) {
  auto const known = names_.find(id);
  if (known != names_.end()) return &known->second;
  std::uint32_t row = rows_made_;
  if (!free_rows_.empty()) {
    row = free_rows_.back();
    free_rows_.pop_back();
  } else if (rows_made_ == kRowsMax) {
    return nullptr;
  } else {
    if (row % kChunkRows == 0) {
      auto chunk = std::make_unique<Row[]>(kChunkRows);
      chunks_[row / kChunkRows].store(chunk.release(), std::memory_order_release);
    }
    ++rows_made_;
  }
  Row& made = row_at(row);
  made.seed = seed_of(id);
  made.generation.store(0, std::memory_order_relaxed);
  made.lease_end_ms.store(0, std::memory_order_relaxed);
  made.flags.store(0, std::memory_order_relaxed);
  return &names_.emplace(id, Named{.row = row, .projects = 0, .load = {}}).first->second;
}

std::optional<std::uint32_t> ReplicatorTable::row_of(PublicKey const& id) {
  MutexLock const lock(mutex_);
  Named const* const named = name(id);
  if (named == nullptr) return std::nullopt;
  return named->row;
}

void ReplicatorTable::set_flag(Row& row, Row::Flag flag, bool on) {
  if (on) {
    row.flags.fetch_or(flag, std::memory_order_relaxed);
  } else {
    row.flags.fetch_and(~static_cast<std::uint32_t>(flag), std::memory_order_relaxed);
  }
}

void ReplicatorTable::set_text(Row& row, RowTextPtr text) {
  if (text != nullptr) {
    ++borne_;
    row.text_bytes.store(static_cast<std::uint32_t>(text->block_bytes()),
                         std::memory_order_relaxed);
  }
  RowTextPtr old(row.text.exchange(text.release(), std::memory_order_acq_rel), {&memory_});
  if (old == nullptr) return;
  --borne_;
  retired_.push_back(std::move(old));
}

void ReplicatorTable::write_load(Named& named, registration::LoadFigures const& load) {
  named.load = load;
  Row& row = row_at(named.row);
  RowText const* const text = row.text.load(std::memory_order_relaxed);
  std::uint64_t const capacity = text == nullptr ? 0 : text->capacity;
  row.load_permille.store(load_permille(load, named.projects, capacity), std::memory_order_relaxed);
  bool const full = is_full(load, named.projects, capacity);
  bool const was_full = (row.flags.load(std::memory_order_relaxed) & Row::kFull) != 0;
  if (full == was_full) return;
  set_flag(row, Row::kFull, full);
  are_candidates_old_ = true;
}

void ReplicatorTable::write(ReplicatorEntry const& entry, std::int64_t now_ms) {
  Named* const named = name(entry.id);
  if (named == nullptr) return;
  Row& row = row_at(named->row);
  RowText const* const text = row.text.load(std::memory_order_relaxed);
  bool const is_same = text != nullptr && text->record == entry.signed_record &&
                       text->observed_host == entry.observed_host;
  if (!is_same) set_text(row, RowText::make(entry, memory_));
  named->projects = std::max(entry.projects, is_same ? named->projects : 0);
  row.lease_end_ms.store(end_of_lease(entry.lease_left, now_ms), std::memory_order_relaxed);
  row.last_pass_ms.store(static_cast<std::int64_t>(entry.health.last_pass_unix_ms),
                         std::memory_order_relaxed);
  row.generation.store(entry.generation, std::memory_order_relaxed);
  std::uint32_t const kept = row.flags.load(std::memory_order_relaxed) & (Row::kBusy | Row::kFull);
  std::uint32_t flags = kept;
  if (entry.state == registration::ReplicatorState::Draining) flags |= Row::kDraining;
  if (entry.health.self_test == SelfTest::Passed) flags |= Row::kTestPassed;
  if (entry.health.self_test == SelfTest::Failed) flags |= Row::kTestFailed;
  if (entry.health.is_out) flags |= Row::kOut;
  row.flags.store(flags, std::memory_order_relaxed);
  write_load(*named, entry.load);
  are_candidates_old_ = true;
}

void ReplicatorTable::put(ReplicatorEntry const& entry, std::int64_t now_ms) {
  MutexLock const lock(mutex_);
  write(entry, now_ms);
}

void ReplicatorTable::reset(std::vector<ReplicatorEntry> const& all, std::int64_t now_ms) {
  MutexLock const lock(mutex_);
  std::set<PublicKey> here;
  for (ReplicatorEntry const& entry : all) {
    here.insert(entry.id);
    write(entry, now_ms);
  }
  for (auto const& [id, named] : names_) {
    if (!here.contains(id)) set_text(row_at(named.row), nullptr);
  }
  are_candidates_old_ = true;
}

void ReplicatorTable::renew(PublicKey const& id, registration::ReplicatorState state,
                            registration::LoadFigures const& load, std::int64_t lease_end_ms) {
  MutexLock const lock(mutex_);
  auto const known = names_.find(id);
  if (known == names_.end()) return;
  Row& row = row_at(known->second.row);
  row.lease_end_ms.store(lease_end_ms, std::memory_order_relaxed);
  bool const draining = state == registration::ReplicatorState::Draining;
  if (draining != ((row.flags.load(std::memory_order_relaxed) & Row::kDraining) != 0)) {
    set_flag(row, Row::kDraining, draining);
    are_candidates_old_ = true;
  }
  write_load(known->second, load);
}

void ReplicatorTable::remove(PublicKey const& id) {
  MutexLock const lock(mutex_);
  auto const known = names_.find(id);
  if (known == names_.end()) return;
  set_text(row_at(known->second.row), nullptr);
  are_candidates_old_ = true;
}

bool ReplicatorTable::wants_compaction() const {
  MutexLock const lock(mutex_);
  return names_.size() - borne_ > kGoneRowsMax;
}

void ReplicatorTable::compact() {
  MutexLock const lock(mutex_);
  for (auto each = names_.begin(); each != names_.end();) {
    if (row_at(each->second.row).text.load(std::memory_order_relaxed) != nullptr) {
      ++each;
      continue;
    }
    free_rows_.push_back(each->second.row);
    each = names_.erase(each);
  }
}

std::vector<RowTextPtr> ReplicatorTable::take_retired() {
  MutexLock const lock(mutex_);
  return std::exchange(retired_, {});
}

ReplicatorCounts ReplicatorTable::survey(Judgement const& judgement) {
  MutexLock const lock(mutex_);
  ReplicatorCounts counts;
  std::uint64_t load_sum = 0;
  Judgement strict = judgement;
  strict.is_panic = false;
  std::vector<Row*> alive;
  // By row, not by name: they lie one behind the other, and this is done every second.
  for (std::uint32_t i = 0; i < rows_made_; ++i) {
    Row& row = row_at(i);
    if (row.text.load(std::memory_order_relaxed) == nullptr) continue;
    Verdict const standing = standing_of(row, strict);
    count(standing, counts);
    if (standing != Verdict::Chosen && standing != Verdict::Unhealthy) continue;
    load_sum += row.load_permille.load(std::memory_order_relaxed);
    alive.push_back(&row);
  }
  counts.is_panic = holdfast::discovery::is_panic(counts.listed + counts.out, counts.out);
  if (is_panic_.exchange(counts.is_panic, std::memory_order_relaxed) != counts.is_panic) {
    are_candidates_old_ = true;
  }
  std::uint64_t const mean = alive.empty() ? 0 : load_sum / alive.size();
  for (Row* const row : alive) {
    std::uint64_t const load = row->load_permille.load(std::memory_order_relaxed);
    bool const was_busy = (row->flags.load(std::memory_order_relaxed) & Row::kBusy) != 0;
    bool const is_busy = was_busy ? load * 4 > mean * 5 : load > 500 && load * 2 > mean * 3;
    if (is_busy == was_busy) continue;
    set_flag(*row, Row::kBusy, is_busy);
    are_candidates_old_ = true;
  }
  return counts;
}

std::shared_ptr<std::vector<Candidate> const> ReplicatorTable::candidates(
    Judgement const& judgement, Freshness freshness) {
  MutexLock const lock(mutex_);
  std::int64_t const age_ms = judgement.now_ms - candidates_made_ms_;
  bool const may_be_kept = !are_candidates_old_
                               ? age_ms <= kCandidatesAgeMaxMs
                               : freshness == Freshness::Recent && age_ms < kChangesMissedMaxMs;
  if (candidates_ != nullptr && age_ms >= 0 && may_be_kept) return candidates_;
  auto list = std::make_shared<std::vector<Candidate>>();
  for (auto const& [id, named] : names_) {
    Row const& row = row_at(named.row);
    RowText const* const text = row.text.load(std::memory_order_relaxed);
    if (text == nullptr) continue;
    Candidate candidate;
    candidate.id = id;
    candidate.seed = row.seed;
    candidate.weight = text->weight;
    candidate.region = text->region;
    candidate.group = text->group;
    candidate.standing = candidate_standing(row, *text, judgement);
    candidate.is_busy = (row.flags.load(std::memory_order_relaxed) & Row::kBusy) != 0;
    list->push_back(std::move(candidate));
  }
  std::sort(list->begin(), list->end(),
            [](Candidate const& a, Candidate const& b) { return a.id < b.id; });
  candidates_ = std::move(list);
  candidates_made_ms_ = judgement.now_ms;
  are_candidates_old_ = false;
  return candidates_;
}

std::size_t ReplicatorTable::size() const {
  MutexLock const lock(mutex_);
  return borne_;
}

}  // namespace holdfast::discovery
