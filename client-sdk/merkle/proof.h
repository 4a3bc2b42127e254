#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "merkle/node.h"

namespace holdfast::merkle {

/// What a Request message asks for, and what proof production starts from. Source: SPEC sections 6 and 8.3.
struct ProofRequest {
  struct Block {
    BlockIndex index{};
    std::uint64_t nodes = 0;  ///< Levels from the leaf to the first ancestor that the requester stores.
    friend bool operator==(Block const&, Block const&) = default;
  };
  struct HashNode {
    TreeIndex index{};
    std::uint64_t nodes = 0;
    friend bool operator==(HashNode const&, HashNode const&) = default;
  };
  struct Seek {
    std::uint64_t bytes = 0;
    std::uint64_t padding = 0;
    friend bool operator==(Seek const&, Seek const&) = default;
  };
  struct Upgrade {
    std::uint64_t start = 0;   ///< Blocks.
    std::uint64_t length = 0;  ///< Blocks, >= 1.
    friend bool operator==(Upgrade const&, Upgrade const&) = default;
  };

  std::optional<Block> block{};
  std::optional<HashNode> hash{};
  std::optional<Seek> seek{};
  std::optional<Upgrade> upgrade{};
  bool manifest = false;

  friend bool operator==(ProofRequest const&, ProofRequest const&) = default;
};

/// What a Data message carries besides its request id. Source: SPEC sections 6 and 8.4.
struct Proof {
  struct Block {
    BlockIndex index{};
    Bytes value{};
    std::vector<Node> nodes{};  ///< Siblings from the leaf upwards.
    friend bool operator==(Block const&, Block const&) = default;
  };
  struct HashNode {
    TreeIndex index{};
    std::vector<Node> nodes{};  ///< The node itself, then siblings upwards.
    friend bool operator==(HashNode const&, HashNode const&) = default;
  };
  struct Seek {
    std::uint64_t bytes = 0;
    std::vector<Node> nodes{};
    friend bool operator==(Seek const&, Seek const&) = default;
  };
  struct Upgrade {
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    std::vector<Node> nodes{};
    std::vector<Node> additional_nodes{};
    Bytes signature{};  ///< As on the wire: plain or multi-signature; empty when a prologue vouches.
    friend bool operator==(Upgrade const&, Upgrade const&) = default;
  };

  std::uint64_t fork = 0;
  std::optional<Block> block{};
  std::optional<HashNode> hash{};
  std::optional<Seek> seek{};
  std::optional<Upgrade> upgrade{};
  std::optional<Bytes> manifest{};  ///< Verbatim manifest bytes.

  friend bool operator==(Proof const&, Proof const&) = default;
};

}  // namespace holdfast::merkle
