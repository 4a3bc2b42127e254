#include "net/effect_runner.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace holdfast::net {

struct EffectRunner::Threads {
  explicit Threads(std::size_t workers) : pool(workers) {}
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
    : store_(store), wake_(std::move(wake)), threads_(std::make_unique<Threads>(workers)) {}

EffectRunner::~EffectRunner() {
  threads_->pool.stop();
  threads_->pool.join();
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
  sync::IngestResult result = sync::run(std::move(job), **view);
  if (result.commit.empty()) return finish(Ingested{std::move(result), {}});
  core::Commit const commit = std::exchange(result.commit, {});
  Result<void> durable = store_.commit({&commit, 1});
  finish(Ingested{std::move(result), std::move(durable)});
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
