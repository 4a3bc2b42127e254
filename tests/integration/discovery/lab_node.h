#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "crypto/keys.h"

namespace holdfast::test {

/// Listens as a replicator does and completes a Noise handshake with whoever connects: what a self-test asks for. Then
/// it hangs up. One thread; one connection at a time.
class LabNode {
 public:
  /// `host`: an IPv4 literal of this machine. `port`: 0 for any.
  explicit LabNode(KeyPair const& keys, std::string const& host = "127.0.0.1",
                   std::uint16_t port = 0);
  ~LabNode();
  LabNode(LabNode const&) = delete;
  LabNode& operator=(LabNode const&) = delete;

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }
  int handshakes() const { return handshakes_; }  ///< Completed ones.

  void vanish();     ///< The port is closed.
  void come_back();  ///< On the same port.

 private:
  void run();
  void serve(int client);

  KeyPair const keys_;
  int const listener_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::atomic<int> handshakes_{0};
  std::thread thread_;
};

}  // namespace holdfast::test
