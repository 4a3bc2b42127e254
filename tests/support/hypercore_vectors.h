#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/check.h"
#include "merkle/node.h"

namespace holdfast::testing {

/// A file of tests/golden/hypercore. It stays loaded, so that what is inside may be iterated in place.
inline nlohmann::json const& hypercore_vectors(std::string const& name) {
  static std::map<std::string, nlohmann::json> files;
  auto const [it, added] = files.try_emplace(name);
  if (!added) return it->second;
  std::ifstream file(std::string(HOLDFAST_GOLDEN_DIR) + "/hypercore/" + name);
  HOLDFAST_CHECK(file.good());
  it->second = nlohmann::json::parse(file);
  return it->second;
}

inline Bytes bytes_of(nlohmann::json const& hex) {
  if (hex.is_null()) return {};
  return holdfast::from_hex(hex.get<std::string>()).value();
}

template <typename Fixed>
Fixed fixed_of(nlohmann::json const& hex) {
  return Fixed::from_hex(hex.get<std::string>()).value();
}

inline merkle::Node node_of(nlohmann::json const& node) {
  return {.index = TreeIndex(node.at("index").get<std::uint64_t>()),
          .size = node.at("size").get<std::uint64_t>(),
          .hash = fixed_of<Hash>(node.at("hash"))};
}

inline std::vector<merkle::Node> nodes_of(nlohmann::json const& nodes) {
  std::vector<merkle::Node> out;
  for (auto const& node : nodes) out.push_back(node_of(node));
  return out;
}

}  // namespace holdfast::testing
