#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

/// What tells that a file is another one than before, without reading it. All zeros: it is not there.
struct FileStamp {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  std::int64_t size = 0;
  std::uint64_t inode = 0;
  friend bool operator==(FileStamp const&, FileStamp const&) = default;
};

/// Take it before reading the file: a change meanwhile is then seen later.
FileStamp stamp_of(std::string const& path);

}  // namespace holdfast
