#include "net/effect_runner.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "store/group_commit.h"

namespace holdfast::net {

struct EffectRunner::Threads {
  Threads(core::Store& store, std::size_t workers) : committer(store), pool(workers) {}
  store::GroupCommitter committer;
  boost::asio::thread_pool pool;
};

namespace {

/// Requests of a view that could not be opened are still answered: silence would block the asker.
sync::ServeResult refuse_all(sync::ServeJob const& job) {
  sync::ServeResult result{job.id, {}};
  for (wire::Request const& request : job.requests) {
    wire::NoData const refusal{request.id, wire::NoData::Reason::NotAvailable};
    result.answers.push_back(
        {request.id, wire::NoData::kType, wire::encode(wire::Message(refusal)), 0});
  }
  return result;
}

}  // namespace

EffectRunner::EffectRunner(core::Store& store, std::size_t workers, std::function<void()> wake)
    : store_(store), wake_(std::move(wake)), threads_(std::make_unique<Threads>(store, workers)) {}

EffectRunner::~EffectRunner() {
  threads_->pool.stop();
  threads_->pool.join();
  threads_->committer.stop();
}

void EffectRunner::start(sync::Effect effect) {
  {
    MutexLock const lock(mutex_);
    ++in_flight_;
  }
  boost::asio::post(threads_->pool, [this, job = std::move(effect)]() mutable {
    if (auto* const load_core = std::get_if<sync::LoadCore>(&job)) return load(*load_core);
    if (auto* const serve_job = std::get_if<sync::ServeJob>(&job)) return serve(*serve_job);
    ingest(std::move(std::get<sync::IngestJob>(job)));
  });
}

std::vector<Completion> EffectRunner::take() {
  MutexLock const lock(mutex_);
  in_flight_ -= done_.size();
  return std::exchange(done_, {});
}

std::size_t EffectRunner::in_flight() const {
  MutexLock const lock(mutex_);
  return in_flight_;
}

void EffectRunner::load(sync::LoadCore const& job) {
  finish(Loaded{job.core, store_.load(job.core)});
}

void EffectRunner::serve(sync::ServeJob const& job) {
  Result<std::unique_ptr<core::CoreView>> const view = store_.view(job.core);
  finish(Served{view ? sync::run(job, **view) : refuse_all(job)});
}

void EffectRunner::ingest(sync::IngestJob job) {
  Result<std::unique_ptr<core::CoreView>> const view = store_.view(job.core);
  if (!view) {
    sync::IngestResult failed;
    failed.id = job.id;
    failed.verdicts.assign(job.proofs.size(), Unexpected(view.error()));
    return finish(Ingested{std::move(failed), Unexpected(view.error())});
  }
  auto const result = std::make_shared<sync::IngestResult>(sync::run(std::move(job), **view));
  core::Commit commit = std::exchange(result->commit, {});
  if (commit.empty()) return finish(Ingested{std::move(*result), {}});
  Result<void> const taken =
      threads_->committer.submit(std::move(commit), [this, result](Result<void> const& durable) {
        finish(Ingested{std::move(*result), durable});
      });
  // Refused because too much waits for the disk: then this thread waits for it too. A refused
  // commit was not moved from. NOLINTNEXTLINE(bugprone-use-after-move): see GroupCommitter::submit.
  if (!taken) finish(Ingested{std::move(*result), store_.commit({&commit, 1})});
}

void EffectRunner::finish(Completion done) {
  bool first = false;
  {
    MutexLock const lock(mutex_);
    first = done_.empty();
    done_.push_back(std::move(done));
  }
  if (first) wake_();
}

}  // namespace holdfast::net
