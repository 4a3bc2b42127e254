#include "discovery/store/redis_keys.h"

namespace holdfast::discovery {

namespace {

/// CRC16/XMODEM: polynomial 0x1021, nothing reflected, starts at 0.
std::uint16_t crc16(std::string_view text) {
  std::uint32_t crc = 0;
  for (char const character : text) {
    crc ^= static_cast<std::uint32_t>(static_cast<unsigned char>(character)) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    crc &= 0xffff;
  }
  return static_cast<std::uint16_t>(crc);
}

std::string with_key(std::string_view prefix, DiscoveryKey const& key) {
  return std::string(prefix).append(as_text(key.view()));
}

}  // namespace

IdPrefix prefix_of(PublicKey const& id) {
  return *IdPrefix::from(id.view().first(IdPrefix::kSize));
}

std::uint16_t slot_of(std::string_view key) {
  std::size_t const open = key.find('{');
  if (open != std::string_view::npos) {
    std::size_t const close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return crc16(key) % kSlotCount;
}

ReplicatorKeys::ReplicatorKeys(IdPrefix const& prefix) {
  // In hex, because raw bytes may hold braces, and then not all five were in one slot.
  std::string const tag = "{" + prefix.hex() + "}";
  record = "holdfast:r:" + tag;
  index = "holdfast:x:" + tag;
  nonces = "holdfast:u:" + tag;
  assignments = "holdfast:a:" + tag;
  ends = "holdfast:b:" + tag;
}

// Raw, because there are many; each is alone in its scripts, so that it may be in any slot.
std::string hosting_key(DiscoveryKey const& key) { return with_key(kHostingPrefix, key); }
std::string claim_key(DiscoveryKey const& key) { return with_key("holdfast:c:", key); }
std::string peers_key(DiscoveryKey const& key) { return with_key("holdfast:p:", key); }

std::string shared_key(SharedKind kind) {
  return "holdfast:{meta}:shared" + std::to_string(static_cast<unsigned>(kind));
}

}  // namespace holdfast::discovery
