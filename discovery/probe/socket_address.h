#pragma once

#include <optional>

#include <sys/socket.h>

#include "base/ip_network.h"

namespace holdfast::discovery {

/// `from`: null, or as long as its family says.
/// Returns: nothing for null and for what is neither IPv4 nor IPv6.
std::optional<IpAddress> address_of(sockaddr const* from);

}  // namespace holdfast::discovery
