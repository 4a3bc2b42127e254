#include "registration/keyholder_proof.h"

#include <algorithm>

namespace holdfast::registration {

namespace {

constexpr std::uint64_t kNumberMax = (std::uint64_t{1} << 53) - 1;  // What JavaScript can hold.

}  // namespace

FixedBytes<struct ProofMessageTag, 72> proof_message(PublicKey const& replicator,
                                                     DiscoveryKey const& key,
                                                     std::uint64_t expires_unix_s) {
  FixedBytes<struct ProofMessageTag, 72> out;
  Byte* next = std::copy(replicator.bytes.begin(), replicator.bytes.end(), out.data());
  next = std::copy(key.bytes.begin(), key.bytes.end(), next);
  for (int i = 0; i < 8; ++i) *next++ = static_cast<Byte>(expires_unix_s >> (8 * i) & 0xff);
  return out;
}

KeyholderProof make_keyholder_proof(KeyPair const& keyholder, PublicKey const& replicator,
                                    DiscoveryKey const& key, std::uint64_t expires_unix_s) {
  return {.keyholder = keyholder.public_key,
          .expires_unix_s = expires_unix_s,
          .signature = sign(keyholder, proof_message(replicator, key, expires_unix_s).view())};
}

Result<void> check_keyholder_proof(KeyholderProof const& proof, PublicKey const& replicator,
                                   DiscoveryKey const& key, std::uint64_t now_unix_s) {
  if (proof.expires_unix_s <= now_unix_s) {
    return Unexpected(ErrorCode::Denied, "keyholder proof is expired");
  }
  auto const message = proof_message(replicator, key, proof.expires_unix_s);
  if (proof.expires_unix_s > kNumberMax ||
      !verify(proof.keyholder, message.view(), proof.signature)) {
    return Unexpected(ErrorCode::BadSignature, "keyholder proof does not verify");
  }
  return {};
}

}  // namespace holdfast::registration
