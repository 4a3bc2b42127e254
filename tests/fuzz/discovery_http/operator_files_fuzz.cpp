// Property: a list that was read holds at most kEntriesMax entries and as many as it has lines; a receipt counts only if this
// service made it.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "discovery/http/admission_receipt.h"
#include "discovery/http/id_list.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  using namespace holdfast::discovery;
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  if (auto const list = parse_id_list(text)) {
    auto const lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    HOLDFAST_CHECK(list->ids.size() + list->networks.size() <= lines);
    HOLDFAST_CHECK(list->ids.size() + list->networks.size() <= IdList::kEntriesMax);
  }
  Hash secret;
  secret.bytes.fill(7);
  registration::Record const record;
  HOLDFAST_CHECK(!check_receipt(secret, record, "192.0.2.1", ByteView(data, size), 0));
  return 0;
}
