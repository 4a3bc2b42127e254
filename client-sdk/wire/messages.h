#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "crypto/keys.h"
#include "merkle/proof.h"

namespace holdfast::wire {

/// Bounds of one message; larger is refused before anything is allocated. Source: SPEC section 12.
struct MessageLimits {
  std::size_t block_bytes_max = 15 * 1024 * 1024;
  std::size_t proof_nodes_max = 128;
  std::size_t additional_nodes_max = 64;
  std::size_t manifest_bytes_max = 64 * 1024;
  std::size_t signature_bytes_max = 64 * 1024;
  std::size_t bitfield_words_max = 65'536;
  std::size_t extension_name_bytes_max = 256;
};

/// The handshake that rides in the Open of a `hypercore/alpha` channel.
struct OpenHandshake {
  bool seeks = false;
  Hash capability;
  friend bool operator==(OpenHandshake const&, OpenHandshake const&) = default;
};

struct Sync {
  static constexpr std::uint64_t kType = 0;
  bool can_upgrade = false;
  bool uploading = false;
  bool downloading = false;
  bool has_manifest = false;
  bool allow_push = false;
  std::uint64_t fork = 0;
  std::uint64_t length = 0;
  /// The receiver's length as the sender knows it: an acknowledgement.
  std::uint64_t remote_length = 0;
  friend bool operator==(Sync const&, Sync const&) = default;
};

struct Request {
  static constexpr std::uint64_t kType = 1;
  std::uint64_t id = 0;
  std::uint64_t fork = 0;
  merkle::ProofRequest what;
  std::uint64_t priority = 0;
  friend bool operator==(Request const&, Request const&) = default;
};

struct Cancel {
  static constexpr std::uint64_t kType = 2;
  std::uint64_t request = 0;
  friend bool operator==(Cancel const&, Cancel const&) = default;
};

struct Data {
  static constexpr std::uint64_t kType = 3;
  std::uint64_t request = 0;
  merkle::Proof proof;
  friend bool operator==(Data const&, Data const&) = default;
};

struct NoData {
  static constexpr std::uint64_t kType = 4;
  enum class Reason : std::uint8_t { None = 0, NotAvailable = 1, InvalidRequest = 2 };
  std::uint64_t request = 0;
  /// None: the field is absent (Hypercore 10). An unknown reason reads as None.
  Reason reason = Reason::None;
  friend bool operator==(NoData const&, NoData const&) = default;
};

struct Want {
  static constexpr std::uint64_t kType = 5;
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  bool any = false;
  friend bool operator==(Want const&, Want const&) = default;
};

struct Unwant {
  static constexpr std::uint64_t kType = 6;
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  bool any = false;
  friend bool operator==(Unwant const&, Unwant const&) = default;
};

struct Bitfield {
  static constexpr std::uint64_t kType = 7;
  std::uint64_t start = 0;  ///< Block of the first bit; a multiple of 32.
  std::vector<std::uint32_t> words;
  friend bool operator==(Bitfield const&, Bitfield const&) = default;
};

struct Range {
  static constexpr std::uint64_t kType = 8;
  bool drop = false;
  std::uint64_t start = 0;
  std::uint64_t length = 1;
  friend bool operator==(Range const&, Range const&) = default;
};

struct Extension {
  static constexpr std::uint64_t kType = 9;
  std::string name;
  Bytes body;
  friend bool operator==(Extension const&, Extension const&) = default;
};

using Message =
    std::variant<Sync, Request, Cancel, Data, NoData, Want, Unwant, Bitfield, Range, Extension>;

/// Body bytes, without the message type in front.
Bytes encode(Message const& message);
Bytes encode(OpenHandshake const& handshake);

/// Returns: nothing for a type that we do not know, which is to be ignored.
/// Errors: Malformed, LimitExceeded.
Result<std::optional<Message>> decode_message(std::uint64_t type, ByteView body,
                                              MessageLimits const& limits);
/// Errors: Malformed.
Result<OpenHandshake> decode_open_handshake(ByteView bytes);

}  // namespace holdfast::wire
