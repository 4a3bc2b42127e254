/// Property: any request gets a proof or an error, and a proof has the nodes of the tree in the places that its request names.
#include <map>

#include "base/check.h"
#include "codec/decoder.h"
#include "merkle/make_proof.h"
#include "merkle/tree.h"

namespace {

using namespace holdfast;

class Tree final : public merkle::NodeReader {
 public:
  explicit Tree(std::uint64_t length) {
    merkle::RootList roots;
    for (std::uint64_t i = 0; i < length; ++i) {
      std::vector<merkle::Node> made{merkle::leaf_node(BlockIndex(i), Bytes(i % 7, 1))};
      HOLDFAST_CHECK(roots.push(merkle::Node(made[0]), made));
      for (merkle::Node const& node : made) nodes.emplace(node.index, node);
    }
  }
  Result<std::optional<merkle::Node>> node(TreeIndex index) const override {
    auto const it = nodes.find(index);
    if (it == nodes.end()) return std::optional<merkle::Node>();
    return std::optional(it->second);
  }
  std::map<TreeIndex, merkle::Node> nodes;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static Tree const tree(37);
  Decoder in(ByteView(data, size));
  std::uint64_t const kind = in.read_uint();
  merkle::ProofRequest request;
  if ((kind & 1) != 0)
    request.block = {.index = BlockIndex(in.read_u64le()), .nodes = in.read_u64le()};
  if ((kind & 2) != 0)
    request.hash = {.index = TreeIndex(in.read_u64le()), .nodes = in.read_u64le()};
  if ((kind & 4) != 0) request.upgrade = {.start = in.read_u64le(), .length = in.read_u64le()};
  if ((kind & 8) != 0) request.seek = {.bytes = in.read_u64le(), .padding = 0};
  merkle::ProofSource const source{
      .fork = 0, .length = 37, .prologue_length = (kind & 16) != 0 ? 5U : 0U};
  Result<merkle::Proof> const proof = merkle::make_proof(tree, source, request);
  if (!proof) {
    // The tree is complete, so that only the request can be at fault.
    HOLDFAST_CHECK(proof.error().code == ErrorCode::Malformed);
    return 0;
  }
  HOLDFAST_CHECK(!request.seek && !(request.block && request.hash));
  if (request.block) HOLDFAST_CHECK(proof->block && proof->block->index == request.block->index);
  if (request.hash) HOLDFAST_CHECK(proof->hash->nodes.at(0).index == request.hash->index);
  HOLDFAST_CHECK(proof->upgrade.has_value() == request.upgrade.has_value());
  if (!proof->upgrade) return 0;
  std::uint64_t const end = proof->upgrade->start + proof->upgrade->length;
  HOLDFAST_CHECK(proof->upgrade->length >= 1 && end <= 37);
  HOLDFAST_CHECK(proof->upgrade->additional_nodes.size() == merkle::cover(end, 37).size());
  return 0;
}
