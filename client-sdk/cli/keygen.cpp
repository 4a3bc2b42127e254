#include <cstdio>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli/settings.h"
#include "crypto/keys.h"

namespace holdfast::cli {
namespace {

/// Writes a secret to a new file that only its owner may read. An existing one is never touched.
Result<void> write_secret(std::string const& path, std::string const& text) {
  int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) {
    bool const there = errno == EEXIST;
    return Unexpected(there ? ErrorCode::Conflict : ErrorCode::Storage,
                      path + (there ? " is there already" : " cannot be made"));
  }
  bool const written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fsync(file) == 0;
  bool const closed = close(file) == 0;
  if (!written || !closed) return Unexpected(ErrorCode::Storage, path + " cannot be written");
  return {};
}

}  // namespace

Exit keygen(Settings const& settings, Arguments const& arguments) {
  Seed seed;
  random_bytes(seed.bytes);
  std::string const id = KeyPair::from_seed(seed).public_key.hex();
  if (!arguments.out.empty()) {
    Result<void> const written = write_secret(arguments.out, seed.hex() + "\n");
    if (!written) return complain(written.error());
  }
  nlohmann::json out{{"id", id}};
  if (arguments.out.empty()) out["seed"] = seed.hex();
  if (settings.json) {
    std::printf("%s\n", out.dump().c_str());
    return Exit::Ok;
  }
  std::printf("id    %s\n", id.c_str());
  if (arguments.out.empty()) {
    std::printf("seed  %s  (secret)\n", seed.hex().c_str());
  } else {
    std::printf("seed  in %s\n", arguments.out.c_str());
  }
  return Exit::Ok;
}

}  // namespace holdfast::cli
