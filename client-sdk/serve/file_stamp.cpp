#include "serve/file_stamp.h"

#include <sys/stat.h>

namespace holdfast {

FileStamp stamp_of(std::string const& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size, info.st_ino};
}

}  // namespace holdfast
