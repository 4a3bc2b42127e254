#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "core/store.h"

namespace holdfast::store {

/// Writes the commits of many threads together: whatever waits while one group is being synced
/// becomes the next group. So the wait for the disk is shared, and nobody waits for company.
///
/// Rules:
///  1. Every accepted commit is answered exactly once, on the committer's thread, after its group
///     was synced or had failed. Commits are applied and answered in the order they were submitted.
///  2. If a group fails, each of its commits is tried once more alone, so that one bad core does
///     not fail the others; later commits of a core that failed in the group fail with it. Why:
///     they build on it.
///  3. StorageFull is answered to the whole group without that second try. Why: the disk is full
///     for all.
///  4. What waits is bounded; beyond the bound submit() refuses and leaves the commit with the
///     caller.
/// Thread-safety: every method may be called from any thread; stop() and the destructor not from a
/// callback.
/// Memory: Options::waiting_bytes_max and one group.
class GroupCommitter {
 public:
  struct Options {
    std::size_t waiting_commits_max = 4096;
    std::size_t waiting_bytes_max = 64U << 20U;
    std::size_t group_bytes_max = 16U << 20U;  ///< A group ends with the commit that reaches it.
  };
  struct Counters {
    std::uint64_t groups = 0;
    std::uint64_t commits = 0;  ///< That became durable.
    std::uint64_t failed_commits = 0;
  };
  using Done = std::function<void(Result<void> const&)>;

  /// Borrows the store for its life.
  explicit GroupCommitter(core::Store& store);
  GroupCommitter(core::Store& store, Options options);
  /// As stop().
  ~GroupCommitter();
  GroupCommitter(GroupCommitter const&) = delete;
  GroupCommitter& operator=(GroupCommitter const&) = delete;

  /// Takes a commit over; `done` is called later. Never blocks for the disk.
  /// Errors: Unavailable (too much waits, or stopped): `commit` is untouched and `done` is never
  /// called.
  Result<void> submit(core::Commit&& commit, Done done) HOLDFAST_EXCLUDES(mutex_);
  /// Refuses what comes from now on, writes and answers what waits, and ends the thread.
  /// Repeatable.
  void stop() HOLDFAST_EXCLUDES(mutex_);

  std::size_t waiting() const HOLDFAST_EXCLUDES(mutex_);
  Counters counters() const HOLDFAST_EXCLUDES(mutex_);

 private:
  struct Group {
    std::vector<core::Commit> commits;
    std::vector<Done> done;
  };
  struct Entry {
    core::Commit commit;
    Done done;
    std::size_t bytes;
  };

  void run();
  Group take_group() HOLDFAST_REQUIRES(mutex_);
  /// Returns: one result for each commit of the group.
  std::vector<Result<void>> write(std::vector<core::Commit> const& commits);

  core::Store& store_;
  Options const options_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Entry> waiting_ HOLDFAST_GUARDED_BY(mutex_);
  std::size_t waiting_bytes_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  bool stopping_ HOLDFAST_GUARDED_BY(mutex_) = false;
  Counters counters_ HOLDFAST_GUARDED_BY(mutex_);
  Mutex join_mutex_;
  std::thread thread_ HOLDFAST_GUARDED_BY(join_mutex_);  ///< Last: it uses all of the above.
};

}  // namespace holdfast::store
