#include "config/logging.h"

#include <cstdio>
#include <memory>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace holdfast {

namespace {

/// The pattern flag %J: the message, escaped for JSON.
class JsonMessageFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(spdlog::details::log_msg const& message, std::tm const& /*time*/,
              spdlog::memory_buf_t& out) override {
    std::string const text = json_escaped({message.payload.data(), message.payload.size()});
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessageFlag>();
  }
};

}  // namespace

void add_log_flags(CommandLine& line, LogOptions& options) {
  line.group("Logging");
  line.add_choice("log-format", options.format, {"text", "json"},
                  "How log lines look; they go to stderr");
  line.add_choice("log-level", options.level, {"trace", "debug", "info", "warning", "error", "off"},
                  "The least important lines that are written");
}

void set_up_logging(LogOptions const& options) {
  auto logger = std::make_shared<spdlog::logger>("holdfast",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JsonMessageFlag>('J');
  formatter->set_pattern(options.format == "json"
                             ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%J"})"
                             : "%Y-%m-%dT%H:%M:%S.%eZ %l %v");
  logger->set_formatter(std::move(formatter));
  logger->set_level(spdlog::level::from_str(options.level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

std::string json_escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char const c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += code;
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace holdfast
