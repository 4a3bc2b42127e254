#pragma once

#include <string>
#include <string_view>

#include "config/command_line.h"

namespace holdfast {

/// What --log-format and --log-level say. Logs go to stderr; stdout is for the lines that scripts
/// rely on.
struct LogOptions {
  std::string format = "text";  ///< "text" or "json" (one object per line: time, level, message)
  std::string level = "info";   ///< trace, debug, info, warning, error, off
};

/// Adds --log-format and --log-level.
void add_log_flags(CommandLine& line, LogOptions& options);

/// Makes spdlog's default logger follow `options`. Call once, before threads.
void set_up_logging(LogOptions const& options);

/// `text` as the inside of a JSON string: quotes, backslashes and control characters escaped, bytes
/// above 126 kept.
std::string json_escaped(std::string_view text);

}  // namespace holdfast
