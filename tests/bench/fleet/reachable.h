#pragma once

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/result.h"
#include "crypto/keys.h"

namespace holdfast::bench {

/// Listens for many replicators at once and completes a Noise handshake as each of them: what a self-test asks for.
/// Ends every connection after the handshake. One thread.
class Reachable {
 public:
  Reachable();
  ~Reachable();
  Reachable(Reachable const&) = delete;
  Reachable& operator=(Reachable const&) = delete;

  /// Before start(). Returns: the port of 127.0.0.1 where `pair` answers. Errors: Unavailable.
  Result<std::uint16_t> listen(KeyPair const& pair);
  void start();
  /// Closes the listeners of the first `count` replicators: they vanish.
  void vanish(std::size_t count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::bench
