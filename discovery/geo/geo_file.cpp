#include "discovery/geo/geo_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::discovery {

namespace {

/// A file descriptor that is closed with the object.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(OpenFile const&) = delete;
  OpenFile& operator=(OpenFile const&) = delete;
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int const fd_;
};

/// Copies `bytes` bytes, or what there is. Returns: how many there were; nothing if it cannot be read or written.
std::optional<std::uint64_t> copy(int from, int to, std::uint64_t bytes) {
  std::uint64_t done = 0;
  while (done < bytes) {
    ssize_t const sent = ::sendfile(to, from, nullptr, bytes - done);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return std::nullopt;
    if (sent == 0) break;
    done += static_cast<std::uint64_t>(sent);
  }
  return done;
}

bool is_letter(char letter) {
  return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
}

using CodePath = std::array<char const*, 3>;  ///< Ends with a null pointer.
constexpr CodePath kCountry = {"country", "iso_code", nullptr};
constexpr CodePath kContinent = {"continent", "code", nullptr};

std::array<char, 2> code_at(MMDB_entry_s entry, CodePath const& path) {
  MMDB_entry_data_s data{};
  if (MMDB_aget_value(&entry, &data, path.data()) != MMDB_SUCCESS || !data.has_data) return {};
  if (data.type != MMDB_DATA_TYPE_UTF8_STRING || data.data_size != 2) return {};
  std::array<char, 2> out = {data.utf8_string[0], data.utf8_string[1]};
  if (!is_letter(out[0]) || !is_letter(out[1])) return {};
  for (char& letter : out) letter = static_cast<char>(letter | 0x20);  // Lower case, in ASCII.
  return out;
}

MMDB_lookup_result_s find(MMDB_s const& database, IpAddress const& address) {
  int error = MMDB_SUCCESS;
  MMDB_lookup_result_s found{};
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, address.bytes.data() + 12, 4);
    found = MMDB_lookup_sockaddr(&database, reinterpret_cast<sockaddr const*>(&v4), &error);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    std::memcpy(&v6.sin6_addr, address.bytes.data(), 16);
    found = MMDB_lookup_sockaddr(&database, reinterpret_cast<sockaddr const*>(&v6), &error);
  }
  if (error != MMDB_SUCCESS) found.found_entry = false;
  return found;
}

}  // namespace

struct GeoFile::Database {
  Database() = default;
  ~Database() {
    if (is_open) MMDB_close(&mmdb);
  }
  Database(Database const&) = delete;
  Database& operator=(Database const&) = delete;

  bool is_open = false;
  mutable MMDB_s mmdb{};  ///< Mutable for MMDB_close only.
};

GeoFile::GeoFile(std::unique_ptr<Database const> database) : database_(std::move(database)) {}
GeoFile::~GeoFile() = default;

Result<std::unique_ptr<GeoFile const>> GeoFile::open(std::string const& path) {
  OpenFile const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!file.is_open() || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return Unexpected(ErrorCode::NotFound, "cannot read " + path);
  auto const bytes = static_cast<std::uint64_t>(info.st_size);
  if (bytes > kBytesMax) return Unexpected(ErrorCode::LimitExceeded, path + " is too large");

  OpenFile const memory(::memfd_create("holdfast-geoip", MFD_CLOEXEC));
  std::optional<std::uint64_t> const copied =
      memory.is_open() ? copy(file.get(), memory.get(), bytes) : std::nullopt;
  if (!copied) return Unexpected(ErrorCode::Storage, "cannot copy " + path + " to memory");
  if (*copied != bytes) return Unexpected(ErrorCode::Malformed, path + " was changed meanwhile");

  auto database = std::make_unique<Database>();
  std::string const copy_path = "/proc/self/fd/" + std::to_string(memory.get());
  int const status = MMDB_open(copy_path.c_str(), MMDB_MODE_MMAP, &database->mmdb);
  if (status != MMDB_SUCCESS) {
    return Unexpected(ErrorCode::Malformed,
                      path + " is no MaxMind database: " + MMDB_strerror(status));
  }
  database->is_open = true;
  return std::unique_ptr<GeoFile const>(new GeoFile(std::move(database)));
}

ClientPlace GeoFile::place_of(IpAddress const& address) const {
  MMDB_lookup_result_s const found = find(database_->mmdb, address);
  if (!found.found_entry) return {};
  return {.country = code_at(found.entry, kCountry), .continent = code_at(found.entry, kContinent)};
}

std::uint64_t GeoFile::built_unix_s() const { return database_->mmdb.metadata.build_epoch; }

std::string GeoFile::type() const { return database_->mmdb.metadata.database_type; }

}  // namespace holdfast::discovery
