#pragma once

#include <cstdint>
#include <optional>

#include "registration/problem.h"

namespace holdfast::discovery {

/// What a replicator asked for.
enum class WriteRoute : std::uint8_t { Register, Renew, Projects, Deregister };

/// Told what the handlers answered, for counting. Called from any worker thread. Never told keys.
class ApiObserver {
 public:
  virtual ~ApiObserver() = default;
  /// `problem`: nothing when endpoints were given.
  virtual void on_lookup(std::optional<registration::ProblemType> problem) = 0;
  virtual void on_write(WriteRoute route, std::optional<registration::ProblemType> problem) = 0;
};

}  // namespace holdfast::discovery
