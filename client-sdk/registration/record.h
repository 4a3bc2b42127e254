#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::registration {

inline constexpr std::string_view kRecordFormat = "holdfast/record/1";
inline constexpr std::size_t kAddressesMax = 8;
inline constexpr std::size_t kHostBytesMax = 253;  ///< The longest DNS name.
inline constexpr std::size_t kUrlBytesMax = 255;
inline constexpr std::size_t kLabelBytesMax = 64;  ///< Region and failure group, each.
inline constexpr std::size_t kSoftwareBytesMax = 64;
inline constexpr std::size_t kSignedRecordBytesMax = 4096;
inline constexpr std::uint64_t kNumberMax =
    (std::uint64_t{1} << 53) - 1;  ///< What JavaScript can hold.

enum class AddressKind : std::uint8_t { Tcp = 0, WebSocket = 1 };

/// One way to reach a replicator.
struct Address {
  AddressKind kind = AddressKind::Tcp;
  std::string host;  ///< Tcp: name or IP literal (IPv6 without brackets); "": whatever address the
                     ///< registration is seen to come from. WebSocket: "".
  std::uint16_t port = 0;  ///< Tcp: 1 to 65535. WebSocket: 0.
  std::string url;         ///< WebSocket: ws:// or wss://. Tcp: "".
  friend bool operator==(Address const&, Address const&) = default;
};

enum class AcceptMode : std::uint8_t {
  Listed = 0,    ///< Hosts only what its owner named.
  Assigned = 1,  ///< A volunteer: may be given registry keys.
};

/// What a replicator says of itself. Format: docs/formats/registration-record.md.
struct Record {
  PublicKey id;
  std::uint64_t seq = 0;           ///< Unix milliseconds by habit; what counts is that it grows.
  std::vector<Address> addresses;  ///< 1 to kAddressesMax, best first.
  std::string region;              ///< Letters, digits, '.', '_', '-'; may be empty.
  std::string group;               ///< What fails together with it; letters as in region.
  std::uint64_t capacity = 0;      ///< Projects it is willing to host; 0: it does not say.
  AcceptMode accept = AcceptMode::Listed;
  std::string software;  ///< Printable ASCII, for people.
  friend bool operator==(Record const&, Record const&) = default;
};

/// A record with the bytes that prove it.
struct SignedRecord {
  Record record;
  Bytes bytes;  ///< Encoded record, then 64 bytes of Ed25519 signature over it.
};

/// Whether a record follows the rules of its format.
/// Errors: Malformed (a field breaks its rule), LimitExceeded (a field is too long or too large).
Result<void> check_record(Record const& record);

/// Requires: check_record(record) holds.
Bytes encode_record(Record const& record);

/// Signs a record. Requires: pair.public_key == record.id.
/// Errors: those of check_record.
Result<SignedRecord> sign_record(Record record, KeyPair const& pair);

/// Reads signed registration bytes from a stranger.
/// Rules: the signature is the last 64 bytes and covers all before it; bytes between the last known
/// field and the signature belong to fields of later versions: covered, kept, not read.
/// Errors: Malformed, LimitExceeded, BadSignature (not by the id in the record).
Result<SignedRecord> open_record(ByteView signed_bytes);

/// Whether `host` can be the host of an address: a DNS name, an IPv4 or an IPv6 literal in shape.
/// It is not resolved and no policy is applied.
bool is_host(std::string_view host);

/// Host and port of a ws:// or wss:// URL; the default ports are 80 and 443.
struct HostPort {
  std::string host;  ///< IPv6 without brackets.
  std::uint16_t port = 0;
  friend bool operator==(HostPort const&, HostPort const&) = default;
};
/// Errors: Malformed (other scheme, no host, user info, fragment, bad port, byte outside printable
/// ASCII).
Result<HostPort> host_of_url(std::string_view url);

}  // namespace holdfast::registration
