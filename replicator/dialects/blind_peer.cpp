#include "replicator/dialects/blind_peer.h"

#include "codec/decoder.h"

namespace holdfast::replicator {

namespace {

constexpr std::uint64_t kHasReferrer = 1;
constexpr std::uint64_t kHasPriority = 2;
constexpr std::size_t kEntryBytesMin = CoreKey::kSize + 1;

}  // namespace

Result<NamedCores> decode_named_cores(ByteView body, std::size_t cores_max) {
  Decoder in(body);
  NamedCores out;
  std::uint64_t const flags = in.read_uint();
  if ((flags & kHasReferrer) != 0) out.referrer = in.read_fixed<CoreKey>();
  if ((flags & kHasPriority) != 0) out.priority = in.read_uint();
  std::size_t const count = in.read_count(cores_max, kEntryBytesMin);
  out.cores.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.cores.push_back(in.read_fixed<CoreKey>());
    in.read_uint();  // The length the client sees; the signed one arrives by replication.
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace holdfast::replicator
