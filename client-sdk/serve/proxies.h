#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ip_network.h"
#include "serve/message.h"

namespace holdfast {

/// Which field proxies add the address of whoever connected to them to.
enum class ForwardedField : std::uint8_t {
  XForwardedFor,  ///< X-Forwarded-For: a, b
  Forwarded,      ///< RFC 7239: Forwarded: for=a, for="[b]:1"
};

/// Whose word about a client's address is taken.
///
/// Rules:
///  1. Only a peer inside `trusted` may name another address, by PROXY protocol or by the one field; anybody else's
///     fields are ignored.
///  2. One field is read, never the other. Why: a proxy passes on what it does not write, so a client could choose.
///  3. Of the addresses in the field the right-most one that is not itself trusted is the client; what stands left of
///     it was written by strangers. Where an element is no address, the hop that wrote it counts.
struct ProxyPolicy {
  std::vector<IpNetwork> trusted{};
  bool proxy_protocol = false;  ///< Trusted peers start each connection with a PROXY header.
  ForwardedField field = ForwardedField::XForwardedFor;

  bool trusts(PeerAddress const& peer) const;
};

/// Requires: policy.trusts(peer). Returns: the client by rule 3; its port is 0 unless it was told.
PeerAddress client_behind(ProxyPolicy const& policy, PeerAddress const& peer,
                          HeaderList const& headers);
PeerAddress client_behind(ProxyPolicy const& policy, PeerAddress const& peer,
                          std::span<FieldView const> fields);

/// A PROXY protocol header (version 1 or 2) at the start of a connection.
struct ProxyHeader {
  std::size_t bytes = 0;              ///< What it takes up; 0 when it is not complete yet.
  std::optional<PeerAddress> source;  ///< Nothing for LOCAL and UNKNOWN: the peer itself counts.
};

constexpr std::size_t kProxyHeaderBytesMax = 536;  ///< 107 in version 1; 16 + 520 for version 2.

/// Returns: the header, complete or not; nothing if `bytes` cannot become one (close the connection).
/// Source: HAProxy's "The PROXY protocol", versions 1 and 2.
std::optional<ProxyHeader> read_proxy_header(std::string_view bytes);

/// A PeerAddress of a literal; nothing if `ip` is none.
std::optional<PeerAddress> make_peer(std::string_view ip, std::uint16_t port);

}  // namespace holdfast
