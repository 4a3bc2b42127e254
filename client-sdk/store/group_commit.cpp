#include "store/group_commit.h"

#include <map>
#include <utility>

namespace holdfast::store {

namespace {

std::size_t bytes_of(core::Commit const& commit) {
  std::size_t bytes = sizeof(core::Commit) + commit.nodes.size() * sizeof(merkle::Node) +
                      commit.cleared.size() * sizeof(core::BlockRange);
  if (commit.manifest) bytes += commit.manifest->size();
  if (commit.head) bytes += commit.head->signature.size();
  for (core::BlockWrite const& write : commit.blocks) {
    bytes += sizeof(core::BlockWrite) + write.value.size();
  }
  return bytes;
}

}  // namespace

GroupCommitter::GroupCommitter(core::Store& store) : GroupCommitter(store, Options()) {}

GroupCommitter::GroupCommitter(core::Store& store, Options options)
    : store_(store), options_(options), thread_([this] { run(); }) {}

GroupCommitter::~GroupCommitter() { stop(); }

Result<void> GroupCommitter::submit(core::Commit&& commit, Done done) {
  std::size_t const bytes = bytes_of(commit);
  MutexLock const lock(mutex_);
  if (stopping_) return Unexpected(ErrorCode::Unavailable, "the store is closing");
  // An oversized commit is taken when nothing else waits: refused for ever, it could never be written.
  bool const full = waiting_.size() >= options_.waiting_commits_max ||
                    waiting_bytes_ + bytes > options_.waiting_bytes_max;
  if (full && !waiting_.empty()) {
    return Unexpected(ErrorCode::Unavailable, "too many commits wait for the disk");
  }
  waiting_.push_back({std::move(commit), std::move(done), bytes});
  waiting_bytes_ += bytes;
  changed_.notify_one();
  return {};
}

void GroupCommitter::stop() {
  {
    MutexLock const lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  MutexLock const lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

std::size_t GroupCommitter::waiting() const {
  MutexLock const lock(mutex_);
  return waiting_.size();
}

GroupCommitter::Counters GroupCommitter::counters() const {
  MutexLock const lock(mutex_);
  return counters_;
}

GroupCommitter::Group GroupCommitter::take_group() {
  Group group;
  std::size_t bytes = 0;
  while (!waiting_.empty() && bytes < options_.group_bytes_max) {
    Entry& entry = waiting_.front();
    bytes += entry.bytes;
    group.commits.push_back(std::move(entry.commit));
    group.done.push_back(std::move(entry.done));
    waiting_.pop_front();
  }
  waiting_bytes_ -= bytes;
  return group;
}

std::vector<Result<void>> GroupCommitter::write(std::vector<core::Commit> const& commits) {
  Result<void> const together = store_.commit(commits);
  std::vector<Result<void>> results(commits.size(), together);
  if (together || together.error().code == ErrorCode::StorageFull || commits.size() == 1) {
    return results;
  }
  std::map<CoreKey, Error> failed;
  for (std::size_t i = 0; i < commits.size(); ++i) {
    if (auto const before = failed.find(commits[i].core); before != failed.end()) {
      results[i] = Unexpected(before->second);
      continue;
    }
    results[i] = store_.commit({&commits[i], 1});
    if (!results[i]) failed.emplace(commits[i].core, results[i].error());
  }
  return results;
}

void GroupCommitter::run() {
  while (true) {
    Group group;
    {
      MutexLock const lock(mutex_);
      while (waiting_.empty() && !stopping_) changed_.wait(mutex_);
      if (waiting_.empty()) return;
      group = take_group();
    }
    std::vector<Result<void>> const results = write(group.commits);
    {
      MutexLock const lock(mutex_);
      ++counters_.groups;
      for (Result<void> const& result : results) {
        ++(result ? counters_.commits : counters_.failed_commits);
      }
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (group.done[i]) group.done[i](results[i]);
    }
  }
}

}  // namespace holdfast::store
