#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/ip_network.h"
#include "base/result.h"
#include "discovery/registry/region.h"

namespace holdfast::discovery {

/// A database of addresses and countries in MaxMind DB format, in memory. What is read of an address is `country.iso_code`
/// and `continent.code`, where MaxMind's and DB-IP's country and city files have them.
///
/// The file is copied and the copy is mapped, never the file. Why: who overwrites a mapped file in place, instead of
/// renaming another one over it, ends the process that reads it (SIGBUS).
/// Thread-safe: nothing changes after open(). Memory: as much as the file, at most kBytesMax.
class GeoFile {
 public:
  static constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 30;

  /// Errors: NotFound, LimitExceeded, Malformed (no such database, or cut off), Storage (no memory for the copy),
  /// Unavailable (built without libmaxminddb). The text names the file.
  static Result<std::unique_ptr<GeoFile const>> open(std::string const& path);
  ~GeoFile();
  GeoFile(GeoFile const&) = delete;
  GeoFile& operator=(GeoFile const&) = delete;

  /// Zeros if it is not in the database, or if what is there cannot be read. Does not allocate.
  ClientPlace place_of(IpAddress const& address) const;
  std::uint64_t built_unix_s() const;
  std::string type() const;  ///< As the file says: "GeoLite2-Country".

 private:
  struct Database;
  explicit GeoFile(std::unique_ptr<Database const> database);

  std::unique_ptr<Database const> database_;
};

}  // namespace holdfast::discovery
