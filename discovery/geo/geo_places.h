#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "discovery/geo/geo_file.h"
#include "discovery/registry/region.h"
#include "serve/file_stamp.h"

namespace holdfast::discovery {

struct GeoFigures {
  std::uint64_t built_unix_s = 0;
  std::uint64_t reloads = 0;   ///< Since the start.
  std::uint64_t failures = 0;  ///< The old file stayed.
};

/// Where clients are, by a GeoFile that is read again when it changes.
///
/// Rules:
///  1. There is always a file to ask: one that cannot be read leaves the old one in use.
///  2. Who asks never waits for who reloads: there are two slots, one in use. A look-up counts itself into the slot it
///     uses and looks again whether that is still the one; the old file is closed when nobody is counted there.
/// Thread-safe.
class GeoPlaces final : public ClientPlaces {
 public:
  /// Told of each reading after the first, on the thread of who asked for it or our own.
  using OnRead = std::function<void(Result<void> const&)>;

  /// Errors: those of GeoFile::open().
  static Result<std::unique_ptr<GeoPlaces>> open(std::string path);
  ~GeoPlaces() override { stop(); }
  GeoPlaces(GeoPlaces const&) = delete;
  GeoPlaces& operator=(GeoPlaces const&) = delete;

  ClientPlace place_of(IpAddress const& address) const override;
  std::uint64_t built_unix_s() const override {
    return built_unix_s_.load(std::memory_order_relaxed);
  }
  std::string type() const;
  GeoFigures figures() const;

  /// Errors: those of GeoFile::open(); the old file stays in use.
  Result<void> reload();
  /// Returns: whether there was another file, and it is used now. Errors: as reload(), once for each change.
  Result<bool> reload_if_changed();

  /// Looks for changes every so often, on a thread of its own.
  void start(OnRead on_read, std::chrono::milliseconds every = std::chrono::seconds(5));
  /// Repeatable.
  void stop();

 private:
  struct alignas(64) Slot {
    std::unique_ptr<GeoFile const> file;  ///< Changes only while nobody is counted.
    std::atomic<std::uint32_t> readers{0};
  };
  class Reading;
  explicit GeoPlaces(std::string path) : path_(std::move(path)) {}
  Result<void> read() HOLDFAST_REQUIRES(reading_);
  void put(std::unique_ptr<GeoFile const> file) HOLDFAST_REQUIRES(reading_);
  void run(OnRead const& on_read, std::chrono::milliseconds every);

  std::string const path_;
  mutable std::array<Slot, 2> slots_;
  std::atomic<std::size_t> used_{0};
  std::atomic<std::uint64_t> built_unix_s_{0};
  std::atomic<std::uint64_t> reloads_{0};
  std::atomic<std::uint64_t> failures_{0};

  Mutex reading_;  ///< One reads at a time.
  FileStamp stamp_ HOLDFAST_GUARDED_BY(reading_);

  Mutex mutex_;
  CondVar stopped_;
  bool stop_ HOLDFAST_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace holdfast::discovery
