#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "crypto/hash.h"
#include "registration/record.h"

namespace holdfast::discovery {

/// What says to this service later: "you admitted this id at these addresses, and it passed". Given to the replicator,
/// kept by nobody else, so that a service that lost its store lists a node at once and tests it afterwards.
///
/// Format: version (1), flags (1 byte, bit 0: registered with an operator's token), end as Unix seconds (8 bytes, big
/// endian), BLAKE2b-256 keyed by the secret over "holdfast/receipt/1", those ten bytes, id, source address, and the
/// addresses of the record. Instances that share a secret take each other's. Pure.
struct Receipt {
  bool trusted = false;  ///< Registered with an operator's token.
  std::uint64_t expires_unix_s = 0;
};

Bytes make_receipt(Hash const& secret, registration::Record const& record,
                   std::string const& observed_host, Receipt const& receipt);

/// Returns: what it says, or nothing if it is not ours, over, or about another id, source or address.
std::optional<Receipt> check_receipt(Hash const& secret, registration::Record const& record,
                                     std::string const& observed_host, ByteView bytes,
                                     std::uint64_t now_unix_s);

}  // namespace holdfast::discovery
