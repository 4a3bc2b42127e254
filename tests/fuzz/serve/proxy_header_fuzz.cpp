/// Properties: a PROXY header is within its bound and within what was given; more bytes behind a complete one change
/// nothing; a cut of it is never complete and never refused. Whatever a trusted proxy writes into its field, the client
/// that comes out is an address.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "serve/proxies.h"

namespace holdfast {
namespace {

void check_header(std::string_view bytes) {
  std::optional<ProxyHeader> const header = read_proxy_header(bytes);
  if (!header || header->bytes == 0) return;
  HOLDFAST_CHECK(header->bytes <= bytes.size() && header->bytes <= kProxyHeaderBytesMax);
  std::optional<ProxyHeader> const alone = read_proxy_header(bytes.substr(0, header->bytes));
  HOLDFAST_CHECK(alone && alone->bytes == header->bytes);
  HOLDFAST_CHECK(alone->source.has_value() == header->source.has_value());
  for (std::size_t size = 0; size < header->bytes; ++size) {
    std::optional<ProxyHeader> const cut = read_proxy_header(bytes.substr(0, size));
    HOLDFAST_CHECK(cut && cut->bytes == 0);
  }
  if (header->source)
    HOLDFAST_CHECK(IpAddress::parse(header->source->ip) == header->source->address);
}

void check_field(std::string_view value, ForwardedField field) {
  ProxyPolicy const policy{.trusted = {*IpNetwork::parse("10.0.0.0/8")}, .field = field};
  std::optional<PeerAddress> const peer = make_peer("10.0.0.1", 1);
  FieldView const fields[] = {{"X-Forwarded-For", value}, {"Forwarded", value}};
  PeerAddress const client = client_behind(policy, *peer, fields);
  HOLDFAST_CHECK(client.address && IpAddress::parse(client.ip) == client.address);
}

}  // namespace
}  // namespace holdfast

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  std::string_view const bytes(reinterpret_cast<char const*>(data), size);
  check_header(bytes);
  check_field(bytes, ForwardedField::XForwardedFor);
  check_field(bytes, ForwardedField::Forwarded);
  return 0;
}
