#include "discovery/http/admission_receipt.h"

namespace holdfast::discovery {

namespace {

constexpr std::string_view kDomain = "holdfast/receipt/1";
constexpr Byte kVersion = 1;
constexpr std::size_t kHeadBytes = 10;
constexpr std::size_t kReceiptBytes = kHeadBytes + Hash::kSize;

void append_text(Bytes& out, std::string_view text) {
  out.push_back(static_cast<Byte>(text.size() >> 8));
  out.push_back(static_cast<Byte>(text.size()));
  append(out, as_bytes(text));
}

Hash mac(Hash const& secret, registration::Record const& record, std::string const& observed_host,
         ByteView head) {
  Bytes said;
  append_text(said, kDomain);
  append(said, head);
  append(said, record.id.view());
  append_text(said, observed_host);
  for (registration::Address const& address : record.addresses) {
    said.push_back(static_cast<Byte>(address.kind));
    append_text(said, address.host);
    said.push_back(static_cast<Byte>(address.port >> 8));
    said.push_back(static_cast<Byte>(address.port));
    append_text(said, address.url);
  }
  return blake2b_keyed(secret.view(), {said});
}

}  // namespace

Bytes make_receipt(Hash const& secret, registration::Record const& record,
                   std::string const& observed_host, Receipt const& receipt) {
  Bytes out = {kVersion, static_cast<Byte>(receipt.trusted ? 1 : 0)};
  for (int shift = 56; shift >= 0; shift -= 8)
    out.push_back(static_cast<Byte>(receipt.expires_unix_s >> shift));
  append(out, mac(secret, record, observed_host, out).view());
  return out;
}

std::optional<Receipt> check_receipt(Hash const& secret, registration::Record const& record,
                                     std::string const& observed_host, ByteView bytes,
                                     std::uint64_t now_unix_s) {
  if (bytes.size() != kReceiptBytes || bytes[0] != kVersion) return std::nullopt;
  ByteView const head = bytes.first(kHeadBytes);
  Hash const expected = mac(secret, record, observed_host, head);
  if (!equal_in_constant_time(expected.view(), bytes.subspan(kHeadBytes))) return std::nullopt;
  Receipt receipt;
  receipt.trusted = (bytes[1] & 1) != 0;
  for (Byte const byte : head.subspan(2))
    receipt.expires_unix_s = receipt.expires_unix_s << 8 | byte;
  if (receipt.expires_unix_s <= now_unix_s) return std::nullopt;
  return receipt;
}

}  // namespace holdfast::discovery
