// Property: an announcement that was read is within its bounds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "discovery/http/peer_routes.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast::discovery;
  auto const read = peer_announcement_from_json({reinterpret_cast<char const*>(data), size});
  if (read) {
    HOLDFAST_CHECK(read->port > 0 && read->minutes > 0 && read->minutes <= kPeerMinutesMax);
    HOLDFAST_CHECK(size <= kPeerBodyBytesMax);
  }
  return 0;
}
