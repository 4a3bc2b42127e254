#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

/// Renewals that come in together, sent to the store together.
///
/// Rules:
///  1. add() joins the open batch; result() of any of its places closes the batch and sends it. So whoever has more to
///     add, adds it before asking for results.
///  2. A batch is sent once, by the thread that asks first; who asks meanwhile waits for it.
/// Thread-safe. Memory: what was added and not asked for, which its callers bound.
class Renewals {
 private:
  struct Batch;

 public:
  explicit Renewals(RecordStore& store);

  /// One renewal in its batch. Outlives neither the store nor, before result(), the Renewals.
  class Place {
   public:
    /// As RecordStore::renew_all says of this one.
    Result<ReplicatorEntry> result() const;

   private:
    friend class Renewals;
    Renewals* owner_ = nullptr;
    std::shared_ptr<Batch> batch_;
    std::size_t index_ = 0;
  };
  Place add(Renewal renewal) HOLDFAST_EXCLUDES(mutex_);

 private:
  struct Batch {
    std::vector<Renewal> renewals;  ///< Nothing is added once it is no longer the open one.
    Mutex mutex;
    bool is_sent HOLDFAST_GUARDED_BY(mutex) = false;
    std::vector<Result<ReplicatorEntry>> results HOLDFAST_GUARDED_BY(mutex);
  };
  void close(std::shared_ptr<Batch> const& batch) HOLDFAST_EXCLUDES(mutex_);

  RecordStore& store_;
  Mutex mutex_;
  std::shared_ptr<Batch> open_ HOLDFAST_GUARDED_BY(mutex_);
};

}  // namespace holdfast::discovery
