#pragma once

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "crypto/keys.h"

namespace holdfast::registration {

inline nlohmann::json golden(std::string const& name) {
  std::ifstream file(std::string(HOLDFAST_GOLDEN_DIR) + "/registration/" + name);
  HOLDFAST_CHECK(file.good());
  return nlohmann::json::parse(file);
}

inline std::string text_of(nlohmann::json const& value, char const* name) {
  return value.at(name).get<std::string>();
}

inline KeyPair pair_of_hex(std::string const& seed) {
  return KeyPair::from_seed(*Seed::from_hex(seed));
}

inline KeyPair pair_of(Byte seed) {
  Seed out;
  out.bytes.fill(seed);
  return KeyPair::from_seed(out);
}

}  // namespace holdfast::registration
