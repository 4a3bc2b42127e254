/// Property: a manifest that decodes has one spelling, the one that was read; and what was made from its
/// fields names the same core.
#include <algorithm>

#include "base/check.h"
#include "core/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  ByteView const input(data, size);
  Result<core::Manifest> const manifest = core::decode_manifest(input);
  if (!manifest) return 0;
  Bytes const encoded = core::encode(*manifest);
  HOLDFAST_CHECK(std::ranges::equal(encoded, input));
  HOLDFAST_CHECK(core::key_of(*manifest) == core::key_of_manifest(input));
  Result<core::Manifest> const again = core::decode_manifest(encoded);
  HOLDFAST_CHECK(again.ok() && *again == *manifest);
  return 0;
}
