// Property: a Signature-Input that is taken is canonical: made again from its parts, it is the same text.
// No header that we did not sign verifies.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "registration/http_signature.h"

namespace {

using namespace holdfast;
using namespace holdfast::registration;

void check_canonical(SignatureInput const& input, std::string_view field) {
  HOLDFAST_CHECK(field == input.label + "=" + input.params_text);
  std::string list;
  for (std::string const& component : input.components) {
    list += list.empty() ? "(" : " ";
    list += "\"" + component + "\"";
  }
  HOLDFAST_CHECK(input.components.size() == 3);
  HOLDFAST_CHECK(input.params_text.starts_with(list + ");"));
  auto const has = [&](std::string const& param) {
    return input.params_text.find(param) != std::string::npos;
  };
  HOLDFAST_CHECK(has(";created=" + std::to_string(input.params.created_unix_s)));
  HOLDFAST_CHECK(has(";nonce=\"" + input.params.nonce + "\""));
  HOLDFAST_CHECK(has(";keyid=\"" + input.params.key_id.hex() + "\""));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  std::size_t const line = text.find('\n');
  std::string_view const field = text.substr(0, line);
  if (auto const input = parse_signature_input(field)) check_canonical(*input, field);
  SignatureHeaders headers;
  headers.content_digest = content_digest_of({});
  headers.signature_input = field;
  if (line != std::string_view::npos) headers.signature = text.substr(line + 1);
  SignedParts const parts{"PUT", "https://d.example/replicators/x", {}};
  HOLDFAST_CHECK(!verify_request(parts, headers).ok());
  return 0;
}
