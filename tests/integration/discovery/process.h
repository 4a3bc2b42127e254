#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <httplib.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "crypto/keys.h"

namespace holdfast::test {

/// A temporary folder that goes with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(TemporaryFolder const&) = delete;
  TemporaryFolder& operator=(TemporaryFolder const&) = delete;
  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

/// A child process with its output in files. Killed by its own pid when the object goes.
class Process {
 public:
  explicit Process(std::vector<std::string> const& words, std::string const& output_base);
  ~Process();
  Process(Process const&) = delete;
  Process& operator=(Process const&) = delete;

  void signal(int number) const;
  bool running();
  /// Returns: the exit code (128 + N when signal N ended it), or nothing after `at_most`.
  std::optional<int> wait(std::chrono::milliseconds at_most);
  std::string output() const;  ///< stdout so far.
  std::string errors() const;  ///< stderr so far.
  /// Waits for a line of stdout that starts with `start`. Returns: the rest of it, or nothing after 10 s.
  std::optional<std::string> line_after(std::string const& start);

 private:
  std::string base_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

/// Trusts exactly one certificate.
class TrustingClient : public httplib::SSLClient {
 public:
  TrustingClient(int port, std::string const& certificate_path);
};

/// A running holdfast-discovery on ports of its own choice.
class Discovery {
 public:
  explicit Discovery(std::vector<std::string> const& more = {}, std::string const& state_dir = {});

  TrustingClient https() const;  ///< Checks the certificate against the one in the state directory.
  httplib::Client admin() const;
  std::string base_url() const { return "https://127.0.0.1:" + std::to_string(port); }

  TemporaryFolder folder;
  std::string state_dir;
  Process process;
  int port = 0;
  int admin_port = 0;
};

/// A redis-server without persistence on a free port, which it keeps over restarts.
class Redis {
 public:
  Redis();
  void start();
  void kill();
  void flush_all() const;
  /// What redis-cli prints for `command`, a line of shell words.
  std::string cli(std::string const& command) const;
  /// Everything it holds, as it would write it to disk, uncompressed.
  std::string dump() const;
  /// Flips a bit in each value that instances share.
  void damage_shared_values() const;
  /// Starts it again with what it holds, and a clock that is ahead by `offset`.
  void move_clock(std::chrono::seconds offset);
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_) + "/0"; }

 private:
  TemporaryFolder folder_;
  int port_ = 0;
  int starts_ = 0;
  std::chrono::seconds clock_offset_{0};
  std::optional<Process> server_;
};

/// What a registration says of a node.
struct Claim {
  std::uint64_t seq = 1;
  std::string host{};  ///< Empty: whatever address it comes from.
  std::uint16_t port = 4838;
  Bytes receipt{};
  std::string token{};
};

/// What a replicator sends, signed with its key.
class Node {
 public:
  explicit Node(Byte number);
  /// Another node for each number, beyond 255 too.
  static Node numbered(int number);

  httplib::Result send(Discovery const& to, std::string const& method, std::string const& rest,
                       std::string const& body,
                       std::optional<std::string> nonce = std::nullopt) const;
  /// The header fields that make such a request its own.
  httplib::Headers signature_of(Discovery const& at, std::string const& method,
                                std::string const& rest, std::string const& body,
                                std::optional<std::string> nonce = std::nullopt) const;
  httplib::Result register_at(Discovery const& at, std::uint64_t seq = 1) const {
    return register_as(at, {.seq = seq});
  }
  std::string registration_body(Claim const& claim) const;
  httplib::Result register_as(Discovery const& at, Claim const& claim) const;
  httplib::Result list_project(Discovery const& at, CoreKey const& project) const;
  std::string path() const;

  KeyPair const keys;

 private:
  explicit Node(KeyPair const& pair) : keys(pair) {}
};

std::string sync_path(CoreKey const& project);
CoreKey project_key(Byte number);
std::string problem_of(httplib::Result const& answer);
/// Asks again, every `pause`, until `condition` holds. Returns: false when `at_most` is over before.
template <typename Condition>
bool within(std::chrono::milliseconds at_most, Condition condition,
            std::chrono::milliseconds pause = std::chrono::milliseconds(20)) {
  auto const end = std::chrono::steady_clock::now() + at_most;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}
/// Asks until the status is `status` or `at_most` is over. Returns: the last status; 0 without an answer.
int status_within(std::chrono::milliseconds at_most, int status, httplib::Client& client,
                  std::string const& path);
int status_within(std::chrono::milliseconds at_most, int status, httplib::SSLClient& client,
                  std::string const& path);

}  // namespace holdfast::test
