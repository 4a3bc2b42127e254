#include "discovery/http/renewals.h"

#include <utility>

namespace holdfast::discovery {

Renewals::Renewals(RecordStore& store) : store_(store), open_(std::make_shared<Batch>()) {}

Renewals::Place Renewals::add(Renewal renewal) {
  Place place;
  place.owner_ = this;
  MutexLock const lock(mutex_);
  place.batch_ = open_;
  place.index_ = open_->renewals.size();
  open_->renewals.push_back(std::move(renewal));
  return place;
}

void Renewals::close(std::shared_ptr<Batch> const& batch) {
  MutexLock const lock(mutex_);
  if (open_ == batch) open_ = std::make_shared<Batch>();
}

Result<ReplicatorEntry> Renewals::Place::result() const {
  owner_->close(batch_);
  MutexLock const lock(batch_->mutex);
  if (!batch_->is_sent) {
    batch_->results = owner_->store_.renew_all(batch_->renewals);
    batch_->is_sent = true;
  }
  return batch_->results[index_];
}

}  // namespace holdfast::discovery
