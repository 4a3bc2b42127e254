#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"
#include "crypto/keys.h"
#include "discovery/registry/record_store.h"

namespace holdfast::discovery {

inline KeyPair pair_of(Byte seed) {
  Seed out;
  out.bytes.fill(seed);
  return KeyPair::from_seed(out);
}

inline DiscoveryKey key_of(std::uint64_t number) {
  DiscoveryKey out;
  for (std::size_t i = 0; i < 8; ++i) out.bytes[i] = static_cast<Byte>(number >> (8 * i) & 0xff);
  out.bytes[31] = 0x4b;
  return out;
}

struct RecordWish {
  std::uint64_t seq = 1;
  std::string region = {};
  std::string host = "node.example.org";
};

inline registration::SignedRecord record_of(Byte seed, RecordWish const& wish = {}) {
  registration::Record record;
  record.id = pair_of(seed).public_key;
  record.seq = wish.seq;
  record.region = wish.region;
  record.addresses = {{registration::AddressKind::Tcp, wish.host, 4838, ""}};
  auto signed_record = registration::sign_record(record, pair_of(seed));
  HOLDFAST_CHECK(signed_record.ok());
  return *std::move(signed_record);
}

inline registration::ProjectsRequest adding(std::vector<DiscoveryKey> const& keys) {
  registration::ProjectsRequest out;
  for (DiscoveryKey const& key : keys) out.add.push_back({key, std::nullopt});
  return out;
}

inline registration::ProjectsRequest removing(std::vector<DiscoveryKey> keys) {
  registration::ProjectsRequest out;
  out.remove = std::move(keys);
  return out;
}

/// A place where state lives, and the means to let time pass there.
class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  /// A store on this world's state. Options must be the same each time.
  virtual std::unique_ptr<RecordStore> open(StoreOptions const& options) = 0;
  virtual void let_pass(Duration duration) = 0;
  virtual std::uint64_t now_unix_ms() = 0;
};

struct WorldCase {
  std::string name;
  std::function<std::unique_ptr<StoreWorld>()> make;
};
inline void PrintTo(WorldCase const& world, std::ostream* out) { *out << world.name; }

}  // namespace holdfast::discovery
