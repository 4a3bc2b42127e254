#include "replicator/dialects/derived_cores.h"

#include "core/manifest.h"

namespace holdfast::replicator {

std::optional<CoreKey> hyperdrive_blobs_key(CoreKey const& database, ByteView manifest) {
  Result<core::Manifest> const decoded = core::decode_manifest(manifest);
  if (!decoded || decoded->version == 0) return std::nullopt;
  static Hash const kBlobs = crypto_namespace("hyperdrive", 0);
  core::Manifest derived;
  derived.version = decoded->version;
  derived.allow_patch = decoded->allow_patch;
  derived.quorum = decoded->quorum;
  for (core::Manifest::Signer const& signer : decoded->signers) {
    derived.signers.push_back(
        {blake2b({kBlobs.view(), database.view(), signer.signature_namespace.view()}),
         signer.public_key});
  }
  return core::key_of(derived);
}

std::vector<CoreKey> linked_cores(ByteView manifest) {
  Result<core::Manifest> const decoded = core::decode_manifest(manifest);
  if (!decoded || !decoded->linked) return {};
  return *decoded->linked;
}

}  // namespace holdfast::replicator
