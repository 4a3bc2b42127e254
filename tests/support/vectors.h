#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/check.h"

namespace holdfast::testing {

/// A file of tests/golden/hypercore.
inline nlohmann::json load_vectors(std::string const& name) {
  std::ifstream file(std::string(HOLDFAST_GOLDEN_DIR) + "/hypercore/" + name);
  HOLDFAST_CHECK(file.good());
  return nlohmann::json::parse(file);
}

/// The bytes of a hex string in a vector. Requires: it is one.
inline Bytes hex_bytes(nlohmann::json const& hex) {
  return holdfast::from_hex(hex.get<std::string>()).value();
}

template <typename Fixed>
Fixed hex_fixed(nlohmann::json const& hex) {
  return Fixed::from_hex(hex.get<std::string>()).value();
}

}  // namespace holdfast::testing
