#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "core/store.h"
#include "merkle/flat_tree.h"

namespace holdfast::testing {

/// A core in memory: what a store would hold after the commits applied to it.
class MemoryView final : public core::CoreView {
 public:
  core::Head const& head() const override { return head_; }
  Bytes const& manifest() const override { return manifest_; }
  Result<std::optional<merkle::Node>> node(TreeIndex index) const override {
    ++reads;
    if (fail) return Unexpected(ErrorCode::Storage, "disk failed");
    auto const it = nodes.find(index);
    if (it == nodes.end()) return std::optional<merkle::Node>();
    return std::optional(it->second);
  }
  Result<std::optional<Bytes>> block(BlockIndex index) const override {
    auto const it = blocks.find(index);
    if (it == blocks.end()) return std::optional<Bytes>();
    return std::optional(it->second);
  }

  void set_head(core::Head head) { head_ = std::move(head); }
  void set_manifest(Bytes manifest) { manifest_ = std::move(manifest); }

  /// In the order that core/store.h gives.
  void apply(core::Commit commit) {
    if (commit.manifest) manifest_ = *std::move(commit.manifest);
    if (commit.truncate_to) {
      std::uint64_t const length = *commit.truncate_to;
      std::erase_if(nodes, [length](auto const& entry) {
        return merkle::span_of(entry.first).end() > length;
      });
      blocks.erase(blocks.lower_bound(BlockIndex(length)), blocks.end());
    }
    if (commit.head) head_ = *std::move(commit.head);
    for (merkle::Node const& node : commit.nodes) nodes.insert_or_assign(node.index, node);
    for (core::BlockWrite& block : commit.blocks) {
      blocks.insert_or_assign(block.index, std::move(block.value));
    }
    for (core::BlockRange const& range : commit.cleared) {
      blocks.erase(blocks.lower_bound(BlockIndex(range.start)),
                   blocks.lower_bound(BlockIndex(range.end)));
    }
  }

  std::map<TreeIndex, merkle::Node> nodes;
  std::map<BlockIndex, Bytes> blocks;
  mutable std::uint64_t reads = 0;  ///< Calls of node().
  bool fail = false;                ///< Whether node() fails.

 private:
  core::Head head_;
  Bytes manifest_;
};

}  // namespace holdfast::testing
