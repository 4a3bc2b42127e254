#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "serve/message.h"

struct sockaddr_storage;

namespace holdfast {

/// Opens a non-blocking TCP listener with a backlog of 511 (Debian's cpp-httplib has 5).
/// Returns: the file descriptor, owned by the caller.
/// Errors: Unavailable if the host is unknown or the address is in use.
Result<int> open_listen_socket(std::string const& host, std::uint16_t port);

/// The port a socket is bound to; 0 if it is not.
std::uint16_t local_port(int socket);

/// IPv4 in IPv6 comes out as IPv4.
PeerAddress peer_of(sockaddr_storage const& address);

}  // namespace holdfast
