#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "core/store.h"
#include "sync/engine.h"

namespace holdfast::net {

/// What came of an effect, to be reported to the engine.
struct Loaded {
  CoreKey core;
  Result<std::optional<core::CoreRecord>> record;
};
struct Served {
  sync::ServeResult result;
};
struct Ingested {
  sync::IngestResult result;
  Result<void> durable;
};
using Completion = std::variant<Loaded, Served, Ingested>;

/// Does the engine's effects over a store, away from the engine's thread.
///
/// Rules:
///  1. Every effect that was started gives exactly one completion, also when the store fails.
///  2. What several cores ingested at the same time becomes durable with one write (group commit).
///  3. `wake` is called from any thread, at most once between two take() calls.
///     Why: a thousand results must not cost a thousand wake-ups.
/// Thread-safety: start() and take() from any thread. The engine bounds what is in flight.
class EffectRunner {
 public:
  /// `store` outlives the runner.
  EffectRunner(core::Store& store, std::size_t workers, std::function<void()> wake);
  /// Drops what was not begun and waits for what was.
  ~EffectRunner();
  EffectRunner(EffectRunner const&) = delete;
  EffectRunner& operator=(EffectRunner const&) = delete;

  void start(sync::Effect effect);
  std::vector<Completion> take();
  /// Effects started whose completions were not taken yet.
  std::size_t in_flight() const;

 private:
  struct Threads;

  void load(sync::LoadCore const& job);
  void serve(sync::ServeJob const& job);
  void ingest(sync::IngestJob job);
  void finish(Completion done);

  core::Store& store_;
  std::function<void()> wake_;
  mutable Mutex mutex_;
  std::vector<Completion> done_ HOLDFAST_GUARDED_BY(mutex_);
  std::size_t in_flight_ HOLDFAST_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<Threads> threads_;
};

}  // namespace holdfast::net
