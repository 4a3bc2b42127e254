#include "registration/record.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "base/check.h"
#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::registration {

namespace {

constexpr std::size_t kAddressBytesMin = 4;  // kind, empty host, port, empty url

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_label_char(char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; }
bool is_printable(char c) { return c >= 0x20 && c <= 0x7e; }
bool is_url_char(char c) { return c > 0x20 && c <= 0x7e; }

bool all(std::string_view text, bool (*is_fine)(char)) {
  return std::all_of(text.begin(), text.end(), is_fine);
}

bool is_ipv6_shape(std::string_view host) {
  return host.size() >= 2 && host.size() <= 45 && std::count(host.begin(), host.end(), ':') >= 2 &&
         std::all_of(host.begin(), host.end(),
                     [](char c) { return is_hex_digit(c) || c == ':' || c == '.'; });
}

bool is_dns_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
}

bool is_dns_name(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  while (true) {
    std::size_t const dot = host.find('.');
    if (!is_dns_label(host.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    host.remove_prefix(dot + 1);
  }
}

Result<void> check_address(Address const& address) {
  if (address.host.size() > kHostBytesMax || address.url.size() > kUrlBytesMax) {
    return Unexpected(ErrorCode::LimitExceeded, "address too long");
  }
  switch (address.kind) {
    case AddressKind::Tcp:
      if (!address.host.empty() && !is_host(address.host)) {
        return Unexpected(ErrorCode::Malformed, "host is neither a name nor an address");
      }
      if (address.port == 0) return Unexpected(ErrorCode::Malformed, "port 0");
      if (!address.url.empty()) return Unexpected(ErrorCode::Malformed, "tcp address with a url");
      return {};
    case AddressKind::WebSocket:
      if (!address.host.empty() || address.port != 0) {
        return Unexpected(ErrorCode::Malformed, "ws address with host or port");
      }
      if (Result<HostPort> const host = host_of_url(address.url); !host) {
        return Unexpected(host.error());
      }
      return {};
  }
  return Unexpected(ErrorCode::Malformed, "unknown kind of address");
}

Result<void> check_label(std::string_view label, char const* too_long, char const* malformed) {
  if (label.size() > kLabelBytesMax) return Unexpected(ErrorCode::LimitExceeded, too_long);
  if (!all(label, is_label_char)) return Unexpected(ErrorCode::Malformed, malformed);
  return {};
}

std::size_t encoded_bytes(Record const& record) { return encode_record(record).size(); }

Address read_address(Decoder& in) {
  Address out;
  std::uint64_t const kind = in.read_uint();
  if (kind > 1) in.fail(ErrorCode::Malformed, "unknown kind of address");
  out.kind = kind == 1 ? AddressKind::WebSocket : AddressKind::Tcp;
  out.host = in.read_string(kHostBytesMax);
  out.port = static_cast<std::uint16_t>(in.read_uint(65'535));
  out.url = in.read_string(kUrlBytesMax);
  return out;
}

Result<Record> decode_record(ByteView bytes) {
  Decoder in(bytes);
  if (in.read_string(kRecordFormat.size()) != kRecordFormat) {
    in.fail(ErrorCode::Malformed, "not a registration record of version 1");
  }
  Record out;
  out.id = in.read_fixed<PublicKey>();
  out.seq = in.read_uint();
  std::size_t const count = in.read_count(kAddressesMax, kAddressBytesMin);
  for (std::size_t i = 0; i < count && in.ok(); ++i) out.addresses.push_back(read_address(in));
  out.region = in.read_string(kLabelBytesMax);
  out.group = in.read_string(kLabelBytesMax);
  out.capacity = in.read_uint();
  std::uint64_t const accept = in.read_uint();
  if (accept > 1) in.fail(ErrorCode::Malformed, "unknown accept mode");
  out.accept = accept == 1 ? AcceptMode::Assigned : AcceptMode::Listed;
  out.software = in.read_string(kSoftwareBytesMax);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > kHostBytesMax) return false;
  return host.find(':') == std::string_view::npos ? is_dns_name(host) : is_ipv6_shape(host);
}

Result<HostPort> host_of_url(std::string_view url) {
  if (url.size() > kUrlBytesMax) return Unexpected(ErrorCode::LimitExceeded, "url too long");
  bool const secure = url.starts_with("wss://");
  if (!secure && !url.starts_with("ws://")) {
    return Unexpected(ErrorCode::Malformed, "url is neither ws:// nor wss://");
  }
  if (!all(url, is_url_char) || url.find('#') != std::string_view::npos) {
    return Unexpected(ErrorCode::Malformed, "url with a byte that cannot stand there");
  }
  std::string_view rest = url.substr(secure ? 6 : 5);
  std::string_view const authority = rest.substr(0, rest.find_first_of("/?"));
  HostPort out{.host = std::string(authority),
               .port = static_cast<std::uint16_t>(secure ? 443 : 80)};
  bool const bracketed = authority.starts_with('[');
  std::size_t const end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && end == std::string_view::npos) {
    return Unexpected(ErrorCode::Malformed, "bracket without an end");
  }
  std::string_view port;
  if (end != std::string_view::npos) {
    out.host = std::string(bracketed ? authority.substr(1, end - 1) : authority.substr(0, end));
    port = authority.substr(bracketed ? end + 1 : end);
  }
  if (!is_host(out.host) || bracketed != (out.host.find(':') != std::string::npos)) {
    return Unexpected(ErrorCode::Malformed, "url without a proper host");
  }
  if (port.empty()) return out;
  std::string_view const digits = port.substr(1);
  if (port.front() != ':' || digits.empty() || digits.size() > 5 || !all(digits, is_digit)) {
    return Unexpected(ErrorCode::Malformed, "bad port in url");
  }
  std::uint32_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (number == 0 || number > 65'535) return Unexpected(ErrorCode::Malformed, "bad port in url");
  out.port = static_cast<std::uint16_t>(number);
  return out;
}

Result<void> check_record(Record const& record) {
  if (record.seq > kNumberMax || record.capacity > kNumberMax) {
    return Unexpected(ErrorCode::LimitExceeded, "number above 2^53-1");
  }
  if (record.addresses.empty()) return Unexpected(ErrorCode::Malformed, "no address");
  if (record.addresses.size() > kAddressesMax) {
    return Unexpected(ErrorCode::LimitExceeded, "too many addresses");
  }
  for (Address const& address : record.addresses) {
    if (Result<void> const fine = check_address(address); !fine) return fine;
  }
  if (Result<void> const fine = check_label(record.region, "region too long", "bad region");
      !fine) {
    return fine;
  }
  if (Result<void> const fine = check_label(record.group, "group too long", "bad group"); !fine) {
    return fine;
  }
  if (record.software.size() > kSoftwareBytesMax) {
    return Unexpected(ErrorCode::LimitExceeded, "software too long");
  }
  if (!all(record.software, is_printable)) {
    return Unexpected(ErrorCode::Malformed, "software is not printable ASCII");
  }
  if (encoded_bytes(record) > kSignedRecordBytesMax - Signature::kSize) {
    return Unexpected(ErrorCode::LimitExceeded, "record too long");
  }
  return {};
}

Bytes encode_record(Record const& record) {
  Encoder out;
  out.write_string(kRecordFormat).write_raw(record.id.view()).write_uint(record.seq);
  out.write_uint(record.addresses.size());
  for (Address const& address : record.addresses) {
    out.write_uint(static_cast<std::uint64_t>(address.kind)).write_string(address.host);
    out.write_uint(address.port).write_string(address.url);
  }
  out.write_string(record.region).write_string(record.group).write_uint(record.capacity);
  out.write_uint(static_cast<std::uint64_t>(record.accept)).write_string(record.software);
  return std::move(out).take();
}

Result<SignedRecord> sign_record(Record record, KeyPair const& pair) {
  HOLDFAST_CHECK(record.id == pair.public_key);
  if (Result<void> const fine = check_record(record); !fine) return Unexpected(fine.error());
  SignedRecord out{.record = std::move(record), .bytes = {}};
  out.bytes = encode_record(out.record);
  Signature const signature = sign(pair, out.bytes);
  append(out.bytes, signature.view());
  return out;
}

Result<SignedRecord> open_record(ByteView signed_bytes) {
  if (signed_bytes.size() > kSignedRecordBytesMax) {
    return Unexpected(ErrorCode::LimitExceeded, "record too long");
  }
  if (signed_bytes.size() <= Signature::kSize) {
    return Unexpected(ErrorCode::Malformed, "too short for a signed record");
  }
  ByteView const message = signed_bytes.first(signed_bytes.size() - Signature::kSize);
  Result<Record> record = decode_record(message);
  if (!record) return Unexpected(record.error());
  if (Result<void> const fine = check_record(*record); !fine) return Unexpected(fine.error());
  Signature const signature = *Signature::from(signed_bytes.last(Signature::kSize));
  if (!verify(record->id, message, signature)) {
    return Unexpected(ErrorCode::BadSignature, "record is not signed by its id");
  }
  return SignedRecord{.record = *std::move(record), .bytes = to_bytes(signed_bytes)};
}

}  // namespace holdfast::registration
