#include "replicator/daemon/identity.h"

#include "serve/state_files.h"

namespace holdfast::replicator {

Result<KeyPair> load_or_make_identity(std::string const& data_dir) {
  std::string const path = data_dir + "/identity";
  Result<std::string> const text = read_state_file(path);
  if (text) {
    std::optional<Seed> const seed =
        Seed::from_hex(std::string_view(*text).substr(0, 2 * Seed::kSize));
    if (!seed || text->find_first_not_of(" \n", 2 * Seed::kSize) != std::string::npos) {
      return Unexpected(ErrorCode::Malformed, path + " does not hold a seed of 64 hex digits");
    }
    return KeyPair::from_seed(*seed);
  }
  if (text.error().code != ErrorCode::NotFound) return Unexpected(text.error());
  Seed seed;
  random_bytes(seed.bytes);
  if (Result<void> const kept = write_state_file(path, seed.hex() + "\n", /*secret=*/true); !kept) {
    return Unexpected(kept.error());
  }
  return KeyPair::from_seed(seed);
}

}  // namespace holdfast::replicator
