#include "discovery/geo/geo_places.h"

#include <utility>

namespace holdfast::discovery {

Result<std::unique_ptr<GeoPlaces>> GeoPlaces::open(std::string path) {
  std::unique_ptr<GeoPlaces> made(new GeoPlaces(std::move(path)));
  MutexLock const lock(made->reading_);
  if (Result<void> const read = made->read(); !read) return Unexpected(read.error());
  return made;
}

/// Keeps the slot in use from being emptied.
class GeoPlaces::Reading {
 public:
  // Sequentially consistent throughout: either we see that another slot is in use by now, or put() sees us.
  explicit Reading(GeoPlaces const& places) {
    while (true) {
      std::size_t const at = places.used_.load();
      slot_ = &places.slots_[at];
      slot_->readers.fetch_add(1);
      if (places.used_.load() == at) return;
      slot_->readers.fetch_sub(1);
    }
  }
  ~Reading() { slot_->readers.fetch_sub(1); }
  Reading(Reading const&) = delete;
  Reading& operator=(Reading const&) = delete;
  GeoFile const& file() const { return *slot_->file; }

 private:
  Slot* slot_ = nullptr;
};

ClientPlace GeoPlaces::place_of(IpAddress const& address) const {
  return Reading(*this).file().place_of(address);
}

std::string GeoPlaces::type() const { return Reading(*this).file().type(); }

GeoFigures GeoPlaces::figures() const {
  return {.built_unix_s = built_unix_s(),
          .reloads = reloads_.load(std::memory_order_relaxed),
          .failures = failures_.load(std::memory_order_relaxed)};
}

Result<void> GeoPlaces::read() {
  stamp_ = stamp_of(path_);
  Result<std::unique_ptr<GeoFile const>> file = GeoFile::open(path_);
  if (!file) return Unexpected(file.error());
  put(*std::move(file));
  return {};
}

void GeoPlaces::put(std::unique_ptr<GeoFile const> file) {
  std::size_t const old = used_.load();
  std::size_t const next = 1 - old;
  built_unix_s_.store(file->built_unix_s(), std::memory_order_relaxed);
  slots_[next].file = std::move(file);
  used_.store(next);
  while (slots_[old].readers.load() != 0) std::this_thread::yield();  // A look-up takes a moment.
  slots_[old].file.reset();
}

Result<void> GeoPlaces::reload() {
  MutexLock const lock(reading_);
  Result<void> done = read();
  (done ? reloads_ : failures_).fetch_add(1, std::memory_order_relaxed);
  return done;
}

Result<bool> GeoPlaces::reload_if_changed() {
  MutexLock const lock(reading_);
  if (stamp_of(path_) == stamp_) return false;
  Result<void> const done = read();
  (done ? reloads_ : failures_).fetch_add(1, std::memory_order_relaxed);
  if (!done) return Unexpected(done.error());
  return true;
}

void GeoPlaces::start(OnRead on_read, std::chrono::milliseconds every) {
  thread_ = std::thread([this, on_read = std::move(on_read), every] { run(on_read, every); });
}

void GeoPlaces::stop() {
  {
    MutexLock const lock(mutex_);
    stop_ = true;
    stopped_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void GeoPlaces::run(OnRead const& on_read, std::chrono::milliseconds every) {
  while (true) {
    {
      MutexLock const lock(mutex_);
      if (!stop_) stopped_.wait_for(mutex_, every);
      if (stop_) return;
    }
    Result<bool> const changed = reload_if_changed();
    if (changed && !*changed) continue;
    on_read(changed ? Result<void>() : Result<void>(Unexpected(changed.error())));
  }
}

}  // namespace holdfast::discovery
