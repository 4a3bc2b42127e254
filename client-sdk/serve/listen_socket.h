#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/message.h"

struct sockaddr_storage;

namespace holdfast {

/// Opens `count` non-blocking TCP listeners on one address, with a backlog of 511 each; the kernel spreads connections
/// over them. An address that another socket listens on is refused, although ours share theirs.
/// Returns: the file descriptors, owned by the caller.
/// Errors: Unavailable if the host is unknown or the address is in use.
/// Requires: count > 0.
Result<std::vector<int>> open_listen_sockets(std::string const& host, std::uint16_t port,
                                             std::size_t count);

/// The port a socket is bound to; 0 if it is not.
std::uint16_t local_port(int socket);

/// IPv4 in IPv6 comes out as IPv4.
PeerAddress peer_of(sockaddr_storage const& address);

}  // namespace holdfast
