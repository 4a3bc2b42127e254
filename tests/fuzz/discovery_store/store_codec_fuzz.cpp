// Property: what is read of Redis as a hosting set is written back to the same bytes; health and load
// that were read are written and read again to the same; a message is refused or has parts within
// their bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/check.h"
#include "discovery/store/store_codec.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  using namespace holdfast::discovery;
  std::string_view const bytes(reinterpret_cast<char const*>(data), size);
  if (auto const lines = decode_lines(bytes); lines) {
    std::string again;
    for (HostingLine const& line : *lines) again += encode_line(line);
    HOLDFAST_CHECK(again == bytes);
  }
  auto const load = decode_load(bytes);
  HOLDFAST_CHECK(decode_load(encode_load(load)) == load);
  Health const health = decode_health(bytes);
  HOLDFAST_CHECK(decode_health(encode_health(health)) == health);
  if (auto const event = decode_event(bytes); event) {
    if (auto const* const entry = std::get_if<EntryEvent>(&event->what)) {
      HOLDFAST_CHECK(entry->entry.signed_record.size() <= size);
      HOLDFAST_CHECK(entry->entry.health.transcript.size() <= kTranscriptBytesMax);
    }
  }
  return 0;
}
