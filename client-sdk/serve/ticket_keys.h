#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace holdfast {

/// One key that session tickets are made under. What it encrypts only holders of it can resume.
struct TicketKey {
  std::array<Byte, 16> name{};  ///< Sent in clear with each ticket.
  std::array<Byte, 32> aes{};
  std::array<Byte, 32> hmac{};
  std::int64_t not_before_unix_s = 0;  ///< It makes no tickets before.
  std::int64_t not_after_unix_s = 0;   ///< Its tickets are not accepted any longer.

  friend bool operator==(TicketKey const&, TicketKey const&) = default;
};

/// The keys that instances share. The newest whose time has come makes tickets; all that have not ended open them.
struct TicketKeys {
  static constexpr std::size_t kCountMax = 16;

  std::vector<TicketKey> keys{};  ///< Newest first.

  /// Returns: null if none may make tickets now.
  TicketKey const* maker(std::int64_t now_unix_s) const;
  TicketKey const* find(std::array<Byte, 16> const& name, std::int64_t now_unix_s) const;
  friend bool operator==(TicketKeys const&, TicketKeys const&) = default;
};

/// A secret that all instances of one service know (--cluster-secret).
using ClusterSecret = FixedBytes<struct ClusterSecretTag, 32>;

/// The secret of a file's content, whatever its length: its BLAKE2b-256 under a name of its own.
/// Errors: Malformed if there are fewer than 16 bytes.
Result<ClusterSecret> cluster_secret_of(ByteView file);

/// How long keys count.
struct TicketKeyLife {
  std::int64_t making_s =
      12 * 3600;               ///< A key makes tickets for this long, until the next one does.
  std::int64_t ahead_s = 600;  ///< The next one is known this long before it makes any. Why: every
                               ///< instance must have it when the first ticket under it comes.
  std::int64_t opening_s = 24 * 3600;  ///< And it opens them for this long after that.
};

/// A key drawn at random that makes tickets from then on.
TicketKey make_ticket_key(std::int64_t not_before_unix_s, TicketKeyLife life);

/// Leaves out ended keys, and puts a new one before the others when the newest is about to end making.
/// Returns: the keys to use from now on; equal to `keys` when nothing was to be done.
TicketKeys renewed(TicketKeys const& keys, std::int64_t now_unix_s, TicketKeyLife life = {});

/// Seals keys so that a store may hold them (XSalsa20-Poly1305 with a random nonce).
Bytes seal(TicketKeys const& keys, ClusterSecret const& secret);
/// Errors: BadSignature (another secret, or altered), Malformed.
Result<TicketKeys> open_ticket_keys(ByteView sealed, ClusterSecret const& secret);

}  // namespace holdfast
