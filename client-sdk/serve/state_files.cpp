#include "serve/state_files.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast {

namespace {

constexpr std::size_t kStateFileBytesMax = 64 * 1024;

Unexpected storage_error(std::string const& what, std::string const& path, int code) {
  return {ErrorCode::Storage, what + " " + path + ": " + std::generic_category().message(code)};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t const written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0;
}

}  // namespace

Result<void> make_state_dir(std::string const& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return {};
  std::filesystem::create_directories(path, error);
  if (error)
    return Unexpected(ErrorCode::Storage, "cannot create " + path + ": " + error.message());
  std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  return {};
}

Result<void> write_state_file(std::string const& path, std::string_view text, bool secret) {
  std::string const temporary = path + ".new." + std::to_string(::getpid());
  int const fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, secret ? 0600 : 0644);
  if (fd < 0) return storage_error("cannot write", temporary, errno);
  bool const written = write_all(fd, text);
  int const code = errno;
  ::close(fd);
  if (!written) {
    ::unlink(temporary.c_str());
    return storage_error("cannot write", temporary, code);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return storage_error("cannot replace", path, errno);
  return {};
}

Result<std::string> read_state_file(std::string const& path) {
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return Unexpected(ErrorCode::NotFound, "there is no " + path);
  if (fd < 0) return storage_error("cannot read", path, errno);
  std::string text(kStateFileBytesMax + 1, '\0');
  std::size_t filled = 0;
  ssize_t count = 1;
  while (count > 0 && filled < text.size()) {
    count = ::read(fd, text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR)
      count = 1;
    else if (count > 0)
      filled += static_cast<std::size_t>(count);
  }
  int const code = errno;
  ::close(fd);
  if (count < 0) return storage_error("cannot read", path, code);
  if (filled > kStateFileBytesMax)
    return Unexpected(ErrorCode::LimitExceeded, path + " is too large");
  text.resize(filled);
  return text;
}

}  // namespace holdfast
