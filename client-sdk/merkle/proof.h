#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "merkle/node.h"

namespace holdfast::merkle {

// Parts of a request and of a proof. They are not nested in them because clang 14 then takes them for not
// default-constructible while the class around them is incomplete.

struct BlockRequest {
  BlockIndex index{};
  std::uint64_t nodes =
      0;  ///< Levels from the leaf to the first ancestor that the requester stores.
  friend bool operator==(BlockRequest const&, BlockRequest const&) = default;
};

struct HashRequest {
  TreeIndex index{};
  std::uint64_t nodes = 0;
  friend bool operator==(HashRequest const&, HashRequest const&) = default;
};

struct SeekRequest {
  std::uint64_t bytes = 0;
  std::uint64_t padding = 0;
  friend bool operator==(SeekRequest const&, SeekRequest const&) = default;
};

struct UpgradeRequest {
  std::uint64_t start = 0;   ///< Blocks.
  std::uint64_t length = 0;  ///< Blocks, >= 1.
  friend bool operator==(UpgradeRequest const&, UpgradeRequest const&) = default;
};

/// What a Request message asks for, and what proof production starts from. Source: SPEC sections 6 and 8.3.
struct ProofRequest {
  using Block = BlockRequest;
  using HashNode = HashRequest;
  using Seek = SeekRequest;
  using Upgrade = UpgradeRequest;

  std::optional<Block> block{};
  std::optional<HashNode> hash{};
  std::optional<Seek> seek{};
  std::optional<Upgrade> upgrade{};
  bool manifest = false;

  friend bool operator==(ProofRequest const&, ProofRequest const&) = default;
};

struct BlockProof {
  BlockIndex index{};
  Bytes value{};
  std::vector<Node> nodes{};  ///< Siblings from the leaf upwards.
  friend bool operator==(BlockProof const&, BlockProof const&) = default;
};

struct HashProof {
  TreeIndex index{};
  std::vector<Node> nodes{};  ///< The node itself, then siblings upwards.
  friend bool operator==(HashProof const&, HashProof const&) = default;
};

struct SeekProof {
  std::uint64_t bytes = 0;
  std::vector<Node> nodes{};
  friend bool operator==(SeekProof const&, SeekProof const&) = default;
};

struct UpgradeProof {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  std::vector<Node> nodes{};
  std::vector<Node> additional_nodes{};
  Bytes signature{};  ///< As on the wire: plain or multi-signature; empty when a prologue vouches.
  friend bool operator==(UpgradeProof const&, UpgradeProof const&) = default;
};

/// What a Data message carries besides its request id. Source: SPEC sections 6 and 8.4.
struct Proof {
  using Block = BlockProof;
  using HashNode = HashProof;
  using Seek = SeekProof;
  using Upgrade = UpgradeProof;

  std::uint64_t fork = 0;
  std::optional<Block> block{};
  std::optional<HashNode> hash{};
  std::optional<Seek> seek{};
  std::optional<Upgrade> upgrade{};
  std::optional<Bytes> manifest{};  ///< Verbatim manifest bytes.

  friend bool operator==(Proof const&, Proof const&) = default;
};

}  // namespace holdfast::merkle
