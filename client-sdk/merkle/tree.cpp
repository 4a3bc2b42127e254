#include "merkle/tree.h"

#include <array>
#include <utility>

#include "base/check.h"

namespace holdfast::merkle {

namespace {

// The first byte of what is hashed keeps leaves, parents and trees apart.
constexpr Byte kLeafType = 0;
constexpr Byte kParentType = 1;
constexpr Byte kTreeType = 2;

void put_u64le(Byte* to, std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) to[i] = static_cast<Byte>(value >> (8 * i));
}

std::array<Byte, 9> header(Byte type, std::uint64_t size) {
  std::array<Byte, 9> out{type};
  put_u64le(out.data() + 1, size);
  return out;
}

}  // namespace

Node leaf_node(BlockIndex block, ByteView value) {
  return {.index = leaf_of(block),
          .size = value.size(),
          .hash = blake2b({header(kLeafType, value.size()), value})};
}

std::optional<Node> parent_node(Node const& a, Node const& b) {
  HOLDFAST_CHECK(b.index == sibling_of(a.index));
  if (a.size > kSizeMax || b.size > kSizeMax - a.size) return std::nullopt;
  bool const in_order = a.index < b.index;
  Node const& left = in_order ? a : b;
  Node const& right = in_order ? b : a;
  std::uint64_t const size = a.size + b.size;
  return Node{.index = parent_of(a.index),
              .size = size,
              .hash = blake2b({header(kParentType, size), left.hash.view(), right.hash.view()})};
}

Hash tree_hash(std::span<Node const> roots) {
  Bytes message{kTreeType};
  message.reserve(1 + roots.size() * (Hash::kSize + 16));
  for (Node const& root : roots) {
    std::array<Byte, 16> numbers{};
    put_u64le(numbers.data(), root.index.value());
    put_u64le(numbers.data() + 8, root.size);
    append(message, root.hash.view());
    append(message, numbers);
  }
  return blake2b({message});
}

RootList::RootList(std::vector<Node> roots) : nodes_(std::move(roots)) {
  for (Node const& root : nodes_) {
    HOLDFAST_CHECK(span_of(root.index).start == length_);
    length_ = span_of(root.index).end();
  }
}

Result<void> RootList::push(Node const& subtree, std::vector<Node>& parents) {
  if (!is_valid(subtree.index) || subtree.size > kSizeMax) {
    return Unexpected(ErrorCode::BadProof, "tree node out of range");
  }
  if (span_of(subtree.index).start != length_) {
    return Unexpected(ErrorCode::BadProof, "tree node does not continue the tree");
  }
  nodes_.push_back(subtree);
  length_ = span_of(subtree.index).end();
  while (nodes_.size() >= 2) {
    Node const& right = nodes_.back();
    Node const& left = nodes_[nodes_.size() - 2];
    if (sibling_of(right.index) != left.index) break;
    std::optional<Node> const parent = parent_node(left, right);
    if (!parent) return Unexpected(ErrorCode::BadProof, "sizes of tree nodes overflow");
    nodes_.pop_back();
    nodes_.back() = *parent;
    parents.push_back(*parent);
  }
  return {};
}

}  // namespace holdfast::merkle
