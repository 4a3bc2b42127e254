#include "discovery/registry/nonce.h"

#include <optional>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "crypto/hash.h"
#include "registration/base64.h"

namespace holdfast::discovery {

namespace {

constexpr std::size_t kMacBytes = 16;
constexpr std::size_t kMessageBytes = 8 + NonceSalt::kSize;
constexpr std::size_t kNonceBytes = kMessageBytes + kMacBytes;

Bytes mac_of(Hash const& secret, ByteView message) {
  Hash const full = blake2b_keyed(secret.view(), {as_bytes("holdfast/nonce"), message});
  return to_bytes(full.view().first(kMacBytes));
}

}  // namespace

std::string make_nonce(NonceState const& state, NonceSalt const& salt, Duration life) {
  Encoder out;
  out.write_u64le(state.now_unix_ms + static_cast<std::uint64_t>(life.count()));
  out.write_raw(salt.view());
  Bytes const mac = mac_of(state.secret, out.view());
  out.write_raw(mac);
  return registration::to_base64url(out.view());
}

Result<NonceUse> check_nonce(NonceState const& state, std::string_view nonce) {
  std::optional<Bytes> const bytes = registration::from_base64url(nonce, kNonceBytes);
  if (!bytes || bytes->size() != kNonceBytes) {
    return Unexpected(ErrorCode::Denied, "not a nonce of this service");
  }
  ByteView const view = *bytes;
  ByteView const message = view.first(kMessageBytes);
  if (!equal_in_constant_time(mac_of(state.secret, message), view.subspan(kMessageBytes))) {
    return Unexpected(ErrorCode::Denied, "not a nonce of this service");
  }
  std::uint64_t const end_unix_ms = Decoder(message).read_u64le();
  if (end_unix_ms <= state.now_unix_ms) return Unexpected(ErrorCode::Denied, "nonce is too old");
  NonceUse out;
  out.secret = state.secret;
  out.name = as_text(message);
  out.life = Duration(static_cast<Duration::rep>(end_unix_ms - state.now_unix_ms));
  return out;
}

Result<std::string> issue_nonce(RecordStore& store, Freshness freshness) {
  Result<NonceState> const state = store.nonce_state(freshness);
  if (!state) return Unexpected(state.error());
  NonceSalt salt;
  random_bytes(salt.bytes);
  return make_nonce(*state, salt, store.options().nonce_life);
}

Result<void> use_nonce(RecordStore& store, PublicKey const& id, std::string_view nonce) {
  Result<NonceState> const state = store.nonce_state(Freshness::Now);
  if (!state) return Unexpected(state.error());
  Result<NonceUse> const use = check_nonce(*state, nonce);
  if (!use) return Unexpected(use.error());
  return store.spend_nonce(id, *use);
}

Result<NonceUse> check_renewal_nonce(RecordStore& store, std::string_view nonce) {
  Result<NonceState> const state = store.nonce_state(Freshness::Recent);
  if (!state) return Unexpected(state.error());
  return check_nonce(*state, nonce);
}

}  // namespace holdfast::discovery
