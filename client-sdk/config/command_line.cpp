#include "config/command_line.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include <CLI/CLI.hpp>

namespace holdfast {

namespace {

std::string upper_snake(std::string text) {
  for (char& c : text)
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// How the text of an option is read.
template <typename T>
struct Reading {
  Result<T> (*parse)(std::string_view);
  bool may_be_unset =
      false;  ///< Empty text is taken, as --print-config writes it for what is not set.
};

/// A check that runs the parser and, for CLI11, returns its complaint or nothing.
template <typename T>
std::function<std::string(std::string const&)> complaint_of(Reading<T> const& reading) {
  return [reading](std::string const& text) {
    if (text.empty() && reading.may_be_unset) return std::string();
    Result<T> const parsed = reading.parse(text);
    return parsed ? std::string() : parsed.error().detail;
  };
}

/// Adds an option whose text our own parser reads into `target`.
template <typename T>
CLI::Option* add_parsed(CLI::App& app, std::string const& flag, T& target,
                        Reading<T> const& reading, std::string const& help) {
  auto const set = [&target, parse = reading.parse](std::string const& text) {
    Result<T> parsed = parse(text);
    if (parsed) target = *std::move(parsed);  // The check below has already complained otherwise.
  };
  CLI::Option* const option = app.add_option_function<std::string>(flag, set, help);
  std::string const shown = reading.may_be_unset ? std::string() : to_text(target);
  return option->check(complaint_of(reading), "")->default_str(shown);
}

bool given(std::string const& flag, int argc, char const* const* argv) {
  return std::any_of(argv + 1, argv + argc, [&flag](char const* word) {
    std::string_view const text(word);
    return text == flag ||
           (text.starts_with(flag) && text.size() > flag.size() && text[flag.size()] == '=');
  });
}

char const* environment(std::string const& name) {
  return std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): before any thread exists.
}

int report(ProgramInfo const& info, CLI::ParseError const& error) {
  std::string text = error.what();
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::fprintf(stderr, "%s: %s (see %s --help)\n", info.name.c_str(), text.c_str(),
               info.name.c_str());
  return error.get_name() == "FileError" ? 1 : 2;
}

}  // namespace

CommandLine::CommandLine(ProgramInfo info)
    : info_(std::move(info)), app_(std::make_unique<CLI::App>(info_.description, info_.name)) {
  app_->footer(info_.footer);
  app_->get_formatter()->column_width(34);
  app_->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app_->set_config("--config", "", "Read settings from this file (one `name = value` per line)")
      ->type_name("FILE");
  app_->allow_config_extras(CLI::config_extras_mode::error);
  settings_.push_back({"--config", upper_snake(info_.name) + "_CONFIG"});
  app_->add_flag("--print-config", print_config_,
                 "Print the effective settings as a configuration file and end")
      ->configurable(false);
  app_->set_version_flag("--version", info_.name + " " + info_.version);
}

CommandLine::~CommandLine() = default;

CLI::App& CommandLine::app() { return *app_; }

void CommandLine::group(std::string const& title) { group_ = title; }

std::string const& CommandLine::add_setting(std::string const& name) {
  settings_.push_back({"--" + name, upper_snake(info_.name + "-" + name)});
  app_->option_defaults()->group(group_);
  return settings_.back().flag;
}

void CommandLine::add(std::string const& name, std::string& target, std::string const& placeholder,
                      std::string const& help) {
  std::string const& flag = add_setting(name);
  app_->add_option(flag, target, help)
      ->capture_default_str()
      ->type_name(placeholder)
      ->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, bool& target, std::string const& help) {
  std::string const& flag = add_setting(name);
  app_->add_flag(flag, target, help)->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, std::uint64_t& target,
                      std::string const& placeholder, std::string const& help) {
  std::string const& flag = add_setting(name);
  app_->add_option(flag, target, help)
      ->capture_default_str()
      ->type_name(placeholder)
      ->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, Duration& target, std::string const& help) {
  std::string const& flag = add_setting(name);
  add_parsed(*app_, flag, target, {&parse_duration}, help)
      ->type_name("DURATION")
      ->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, ByteSize& target, std::string const& help) {
  std::string const& flag = add_setting(name);
  add_parsed(*app_, flag, target, {&parse_byte_size}, help)
      ->type_name("SIZE")
      ->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, HostPort& target, std::string const& help) {
  std::string const& flag = add_setting(name);
  add_parsed(*app_, flag, target, {&parse_host_port, /*may_be_unset=*/target.host.empty()}, help)
      ->type_name("HOST:PORT")
      ->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, std::vector<std::string>& target,
                      std::string const& placeholder, std::string const& help) {
  std::string const& flag = add_setting(name);
  auto const set = [&target](std::vector<std::string> texts) {
    std::erase(texts, std::string());
    target = std::move(texts);
  };
  app_->add_option_function<std::vector<std::string>>(flag, set, help + " (repeatable)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name(placeholder)
      ->envname(settings_.back().variable);
}

void CommandLine::add(std::string const& name, std::vector<HostPort>& target,
                      std::string const& help) {
  std::string const& flag = add_setting(name);
  auto const set = [&target](std::vector<std::string> const& texts) {
    target.clear();
    for (std::string const& text : texts) {
      if (Result<HostPort> parsed = parse_host_port(text); parsed)
        target.push_back(*std::move(parsed));
    }
  };
  app_->add_option_function<std::vector<std::string>>(flag, set, help + " (repeatable)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(complaint_of<HostPort>({&parse_host_port, /*may_be_unset=*/true}), "")
      ->type_name("HOST:PORT")
      ->envname(settings_.back().variable);
}

void CommandLine::add_choice(std::string const& name, std::string& target,
                             std::vector<std::string> const& choices, std::string const& help) {
  std::string const& flag = add_setting(name);
  std::string type;
  for (std::string const& choice : choices) type += (type.empty() ? "" : "|") + choice;
  app_->add_option(flag, target, help)
      ->capture_default_str()
      ->check(
          [choices, type](std::string const& text) {
            bool const known = std::find(choices.begin(), choices.end(), text) != choices.end();
            return known ? std::string() : text + " is none of " + type;
          },
          "")
      ->type_name(type)
      ->envname(settings_.back().variable);
}

std::vector<std::string> CommandLine::with_environment(int argc, char const* const* argv) const {
  std::vector<std::string> words;
  for (Setting const& setting : settings_) {
    char const* const value = environment(setting.variable);
    if (value == nullptr || *value == '\0' || given(setting.flag, argc, argv)) continue;
    words.push_back(setting.flag + "=" + value);
  }
  words.insert(words.end(), argv + 1, argv + argc);
  std::reverse(words.begin(), words.end());  // CLI11 takes the words last first.
  return words;
}

std::optional<int> CommandLine::parse(int argc, char const* const* argv) {
  try {
    app_->parse(with_environment(argc, argv));
  } catch (CLI::Success const& wanted) {  // --help or --version
    return app_->exit(wanted);
  } catch (CLI::ParseError const& error) {
    return report(info_, error);
  }
  if (!print_config_) return std::nullopt;
  std::fputs(app_->config_to_str(/*default_also=*/true, /*write_description=*/true).c_str(),
             stdout);
  return 0;
}

}  // namespace holdfast
