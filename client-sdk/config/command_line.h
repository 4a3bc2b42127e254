#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "config/values.h"

namespace CLI {
class App;
}

namespace holdfast {

/// What --help and --version say about a program.
struct ProgramInfo {
  std::string
      name;  ///< "holdfast-discovery"; the prefix of its environment variables follows from it.
  std::string version;      ///< "0.1.0"
  std::string description;  ///< One paragraph, first in --help.
  std::string footer;       ///< Files, signals, examples; last in --help. May be empty.
};

/// The settings of one program: every flag is also an environment variable and a line in the
/// configuration file.
///
/// Rules:
///  1. Command line beats environment beats configuration file beats default, setting by setting (a
///  repeatable
///     setting is replaced as a whole, never joined). Why: the nearer to the person, the stronger.
///  2. `--listen` of holdfast-discovery is HOLDFAST_DISCOVERY_LISTEN and `listen = "…"` in the
///  file; dashes become
///     underscores. Repeatable ones are separated by commas in the environment and are arrays in
///     the file.
///  3. An unknown flag or an unknown key in the file is an error. Why: a typing error in a limit
///  must not pass.
///  4. --config F, --print-config, --version and --help exist in every program. What --print-config
///  prints can be
///     given back with --config and means the same.
///
/// The targets of add() are written by parse() and must outlive it. Not thread-safe; used once,
/// before threads.
class CommandLine {
 public:
  explicit CommandLine(ProgramInfo info);
  ~CommandLine();
  CommandLine(CommandLine const&) = delete;
  CommandLine& operator=(CommandLine const&) = delete;

  /// Adds --NAME. What `target` holds is the default. `placeholder`: as in HOST:PORT; `help`: one
  /// sentence.
  void add(std::string const& name, std::string& target, std::string const& placeholder,
           std::string const& help);
  void add(std::string const& name, bool& target, std::string const& help);
  void add(std::string const& name, std::uint64_t& target, std::string const& placeholder,
           std::string const& help);
  void add(std::string const& name, Duration& target, std::string const& help);
  void add(std::string const& name, ByteSize& target, std::string const& help);
  void add(std::string const& name, HostPort& target, std::string const& help);
  /// Repeatable; an appearance takes one value.
  void add(std::string const& name, std::vector<std::string>& target,
           std::string const& placeholder, std::string const& help);
  void add(std::string const& name, std::vector<HostPort>& target, std::string const& help);
  /// One of `choices`.
  void add_choice(std::string const& name, std::string& target,
                  std::vector<std::string> const& choices, std::string const& help);
  /// Starts a group of options in --help; what is added next belongs to it.
  void group(std::string const& title);

  /// For what this class does not cover: subcommands (their flags are not settings of the program)
  /// and positionals.
  CLI::App& app();

  /// Reads the command line, the environment and the file, and writes the targets.
  /// Returns: nothing if the program should go on; otherwise the exit code with which it must end:
  /// 0 after --help,
  /// --version or --print-config (printed to stdout), 2 for bad usage, 1 for an unreadable file
  /// (one line on stderr).
  std::optional<int> parse(int argc, char const* const* argv);

 private:
  struct Setting {
    std::string flag;      ///< "--listen"
    std::string variable;  ///< "HOLDFAST_DISCOVERY_LISTEN"
  };
  std::string const& add_setting(std::string const& name);
  std::vector<std::string> with_environment(int argc, char const* const* argv) const;

  ProgramInfo info_;
  std::unique_ptr<CLI::App> app_;
  std::vector<Setting> settings_;
  std::string group_ = "Options";
  bool print_config_ = false;
};

}  // namespace holdfast
