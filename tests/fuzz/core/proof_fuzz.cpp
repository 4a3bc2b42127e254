/// Property: a proof for other data never verifies. Whatever a stranger sends to a reader of a known core,
/// and however an honest answer was changed on the way, what is taken is part of the one true log.
#include <algorithm>
#include <optional>

#include "base/check.h"
#include "codec/decoder.h"
#include "core/commit_builder.h"
#include "support/test_core.h"
#include "wire/messages.h"

namespace {

using namespace holdfast;
using holdfast::testing::MemoryView;
using holdfast::testing::TestCore;

struct World {
  TestCore writer{
      77};  // Not the writer of the recorded proofs in the corpus, who signed another log.
  MemoryView sparse;  ///< A reader at 13 of 21 blocks that holds two of them.

  World() {
    auto const take = [this](merkle::ProofRequest const& request) {
      core::CommitBuilder builder = *core::CommitBuilder::begin(writer.key(), sparse);
      HOLDFAST_CHECK(builder.add(*writer.prove(request)));
      sparse.apply(std::move(builder).take());
    };
    for (std::uint64_t i = 0; i < 21; ++i) {
      writer.append(Bytes(i % 6, static_cast<Byte>(i)));
      if (i != 12) continue;
      take({.upgrade = merkle::ProofRequest::Upgrade{.start = 0, .length = 13}, .manifest = true});
      take({.block = merkle::ProofRequest::Block{.index = BlockIndex(2), .nodes = 3}});
      take({.block = merkle::ProofRequest::Block{.index = BlockIndex(9), .nodes = 2}});
    }
  }
};

merkle::ProofRequest request_from(Decoder& in) {
  merkle::ProofRequest request;
  std::uint64_t const kind = in.read_uint();
  if ((kind & 1) != 0) {
    request.block = {.index = BlockIndex(in.read_uint()), .nodes = in.read_uint()};
  } else if ((kind & 2) != 0) {
    request.hash = {.index = TreeIndex(in.read_uint()), .nodes = in.read_uint()};
  }
  if ((kind & 4) != 0) request.upgrade = {.start = in.read_uint(), .length = in.read_uint()};
  request.manifest = (kind & 8) != 0;
  return request;
}

void offer(World const& world, MemoryView view, merkle::Proof const& proof) {
  Result<core::CommitBuilder> builder = core::CommitBuilder::begin(world.writer.key(), view);
  HOLDFAST_CHECK(builder.ok());
  bool const taken = builder->add(proof).ok();
  core::Commit commit = std::move(*builder).take();
  HOLDFAST_CHECK(taken || commit.empty());
  core::Head const before = view.head();
  view.apply(std::move(commit));
  for (auto const& [index, node] : view.nodes) {
    auto const truth = world.writer.view().nodes.find(index);
    HOLDFAST_CHECK(truth != world.writer.view().nodes.end() && truth->second == node);
  }
  for (auto const& [index, value] : view.blocks) {
    HOLDFAST_CHECK(world.writer.view().blocks.at(index) == value);
  }
  core::Head const& head = view.head();
  HOLDFAST_CHECK(head == before || (head.fork == 0 && head.length == world.writer.length()));
  HOLDFAST_CHECK(view.manifest().empty() || view.manifest() == world.writer.manifest());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static World const world;
  ByteView const input(data, size);

  // A stranger's own words.
  auto const message = wire::decode_message(wire::Data::kType, input, {});
  if (message) {
    merkle::Proof const& proof = std::get<wire::Data>(**message).proof;
    offer(world, MemoryView(), proof);
    offer(world, world.sparse, proof);
  }

  // An honest answer with some bytes changed: pairs of position and what to flip there.
  Decoder in(input);
  merkle::ProofRequest const request = request_from(in);
  if (!in.ok()) return 0;
  if (request.block && request.block->index.value() >= world.writer.length()) return 0;
  Result<merkle::Proof> const answer = world.writer.prove(request);
  if (!answer) return 0;
  Bytes body = wire::encode(wire::Data{.request = 1, .proof = *answer});
  for (int i = 0; i < 4 && in.remaining() > 0; ++i) {
    std::uint64_t const position = in.read_uint() % body.size();
    body[position] = static_cast<Byte>(body[position] ^ in.read_uint());
  }
  auto const changed = wire::decode_message(wire::Data::kType, body, {});
  if (!changed) return 0;
  merkle::Proof const& proof = std::get<wire::Data>(**changed).proof;
  offer(world, MemoryView(), proof);
  offer(world, world.sparse, proof);
  return 0;
}
