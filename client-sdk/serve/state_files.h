#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace holdfast {

/// Creates `path` and its parents if they are not there (0700).
/// Errors: Storage.
Result<void> make_state_dir(std::string const& path);

/// Writes a small file so that a reader sees the old one or the new one, never half: temporary name, fsync, rename.
/// Errors: Storage.
Result<void> write_state_file(std::string const& path, std::string_view text, bool secret);

/// Reads a file of at most 64 KiB.
/// Errors: NotFound if it is not there; Storage; LimitExceeded.
Result<std::string> read_state_file(std::string const& path);

}  // namespace holdfast
