#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/http/id_list.h"

namespace holdfast::discovery {

/// A file that an operator wrote, at most 8 MiB. Errors: NotFound, LimitExceeded.
Result<std::string> read_list_file(std::string const& path);

/// Empty for an empty path. Errors: NotFound, LimitExceeded, Malformed (names the line).
Result<IdList> read_id_list(std::string const& path);

/// Words of the file; none for an empty path. Errors: NotFound, LimitExceeded, Malformed (no token in it).
Result<std::vector<std::string>> read_tokens(std::string const& path);

/// CIDR ranges as `flag` was given them. Errors: Malformed, naming the flag.
Result<std::vector<IpNetwork>> parse_networks(std::vector<std::string> const& texts,
                                              std::string const& flag);

}  // namespace holdfast::discovery
