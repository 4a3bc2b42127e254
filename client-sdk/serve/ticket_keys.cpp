#include "serve/ticket_keys.h"

#include <algorithm>
#include <utility>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "crypto/hash.h"
#include "crypto/keys.h"
#include "crypto/secret_box.h"

namespace holdfast {

namespace {

constexpr std::size_t kSecretBytesMin = 16;
constexpr std::uint64_t kVersion = 1;
constexpr std::string_view kSecretName = "holdfast/ticket-keys";

SecretBoxKey box_key(ClusterSecret const& secret) {
  return SecretBoxKey{blake2b_keyed(secret.view(), {as_bytes(kSecretName)}).bytes};
}

template <std::size_t N>
void read_into(Decoder& in, std::array<Byte, N>& to) {
  ByteView const raw = in.read_raw(N);
  if (raw.size() == N) std::copy(raw.begin(), raw.end(), to.begin());
}

}  // namespace

TicketKey const* TicketKeys::maker(std::int64_t now_unix_s) const {
  auto const found = std::find_if(keys.begin(), keys.end(), [now_unix_s](TicketKey const& key) {
    return key.not_before_unix_s <= now_unix_s && now_unix_s < key.not_after_unix_s;
  });
  return found == keys.end() ? nullptr : &*found;
}

TicketKey const* TicketKeys::find(std::array<Byte, 16> const& name, std::int64_t now_unix_s) const {
  auto const found = std::find_if(keys.begin(), keys.end(), [&](TicketKey const& key) {
    return key.name == name && now_unix_s < key.not_after_unix_s;
  });
  return found == keys.end() ? nullptr : &*found;
}

Result<ClusterSecret> cluster_secret_of(ByteView file) {
  if (file.size() < kSecretBytesMin) {
    return Unexpected(ErrorCode::Malformed, "a cluster secret has at least 16 bytes");
  }
  return ClusterSecret{blake2b({as_bytes("holdfast/cluster-secret"), file}).bytes};
}

TicketKey make_ticket_key(std::int64_t not_before_unix_s, TicketKeyLife life) {
  TicketKey key;
  random_bytes(key.name);
  random_bytes(key.aes);
  random_bytes(key.hmac);
  key.not_before_unix_s = not_before_unix_s;
  key.not_after_unix_s = not_before_unix_s + life.making_s + life.opening_s;
  return key;
}

TicketKeys renewed(TicketKeys const& keys, std::int64_t now_unix_s, TicketKeyLife life) {
  TicketKeys next;
  std::copy_if(keys.keys.begin(), keys.keys.end(), std::back_inserter(next.keys),
               [&](TicketKey const& key) { return now_unix_s < key.not_after_unix_s; });
  if (next.keys.empty()) {
    next.keys.push_back(make_ticket_key(now_unix_s, life));
    return next;
  }
  std::int64_t const handover = next.keys.front().not_before_unix_s + life.making_s;
  if (now_unix_s + life.ahead_s >= handover) {
    // A service that slept through the hand-over still gives the others time to learn of the new key.
    std::int64_t const not_before = std::max(handover, now_unix_s + life.ahead_s);
    next.keys.insert(next.keys.begin(), make_ticket_key(not_before, life));
  }
  if (next.keys.size() > TicketKeys::kCountMax) next.keys.resize(TicketKeys::kCountMax);
  return next;
}

Bytes seal(TicketKeys const& keys, ClusterSecret const& secret) {
  Encoder out;
  out.write_uint(kVersion).write_uint(keys.keys.size());
  for (TicketKey const& key : keys.keys) {
    out.write_raw(key.name).write_raw(key.aes).write_raw(key.hmac);
    out.write_u64le(static_cast<std::uint64_t>(key.not_before_unix_s));
    out.write_u64le(static_cast<std::uint64_t>(key.not_after_unix_s));
  }
  return seal_secret_box(box_key(secret), out.view());
}

Result<TicketKeys> open_ticket_keys(ByteView sealed, ClusterSecret const& secret) {
  std::optional<Bytes> const plain = open_secret_box(box_key(secret), sealed);
  if (!plain) {
    return Unexpected(ErrorCode::BadSignature, "sealed under another cluster secret, or altered");
  }
  Decoder in(*plain);
  std::uint64_t const version = in.read_uint();
  std::uint64_t const count = in.read_uint();
  if (version != kVersion || count > TicketKeys::kCountMax) {
    return Unexpected(ErrorCode::Malformed, "ticket keys of an unknown form");
  }
  TicketKeys keys;
  for (std::uint64_t i = 0; i < count; ++i) {
    TicketKey key;
    read_into(in, key.name);
    read_into(in, key.aes);
    read_into(in, key.hmac);
    key.not_before_unix_s = static_cast<std::int64_t>(in.read_u64le());
    key.not_after_unix_s = static_cast<std::int64_t>(in.read_u64le());
    keys.keys.push_back(key);
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return keys;
}

}  // namespace holdfast
