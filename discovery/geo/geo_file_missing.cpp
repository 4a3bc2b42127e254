// In place of geo_file.cpp where libmaxminddb is not installed.
#include <utility>

#include "discovery/geo/geo_file.h"

namespace holdfast::discovery {

struct GeoFile::Database {};

GeoFile::GeoFile(std::unique_ptr<Database const> database) : database_(std::move(database)) {}
GeoFile::~GeoFile() = default;

Result<std::unique_ptr<GeoFile const>> GeoFile::open(std::string const& path) {
  return Unexpected(ErrorCode::Unavailable,
                    "cannot read " + path + ": this program was built without libmaxminddb");
}

ClientPlace GeoFile::place_of(IpAddress const& /*address*/) const { return {}; }
std::uint64_t GeoFile::built_unix_s() const { return 0; }
std::string GeoFile::type() const { return {}; }

}  // namespace holdfast::discovery
