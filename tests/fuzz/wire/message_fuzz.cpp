/// Properties: what decodes, encodes, and decodes to the same message again, whose encoding is the same again; no part of
/// it is above its limit.

#include "base/check.h"
#include "support/fuzz_input.h"
#include "wire/messages.h"

namespace holdfast::wire {
namespace {

// Small, so that both sides of each limit are reached.
MessageLimits const kLimits{.block_bytes_max = 100,
                            .proof_nodes_max = 4,
                            .additional_nodes_max = 2,
                            .manifest_bytes_max = 300,
                            .signature_bytes_max = 90,
                            .bitfield_words_max = 8,
                            .extension_name_bytes_max = 6};

void check_limits(Message const& message) {
  if (auto const* data = std::get_if<Data>(&message)) {
    merkle::Proof const& proof = data->proof;
    HOLDFAST_CHECK(!proof.block || proof.block->value.size() <= kLimits.block_bytes_max);
    HOLDFAST_CHECK(!proof.block || proof.block->nodes.size() <= kLimits.proof_nodes_max);
    HOLDFAST_CHECK(!proof.hash || proof.hash->nodes.size() <= kLimits.proof_nodes_max);
    HOLDFAST_CHECK(!proof.upgrade || proof.upgrade->nodes.size() <= kLimits.proof_nodes_max);
    HOLDFAST_CHECK(!proof.upgrade ||
                   proof.upgrade->additional_nodes.size() <= kLimits.additional_nodes_max);
    HOLDFAST_CHECK(!proof.upgrade ||
                   proof.upgrade->signature.size() <= kLimits.signature_bytes_max);
    HOLDFAST_CHECK(!proof.manifest || proof.manifest->size() <= kLimits.manifest_bytes_max);
  }
  if (auto const* bitfield = std::get_if<Bitfield>(&message)) {
    HOLDFAST_CHECK(bitfield->words.size() <= kLimits.bitfield_words_max);
    HOLDFAST_CHECK(bitfield->start % 32 == 0);
  }
  if (auto const* extension = std::get_if<Extension>(&message)) {
    HOLDFAST_CHECK(extension->name.size() <= kLimits.extension_name_bytes_max);
  }
}

void check_message(std::uint64_t type, ByteView body) {
  auto const first = decode_message(type, body, kLimits);
  if (!first || !first->has_value()) return;
  HOLDFAST_CHECK((*first)->index() == type);
  check_limits(**first);
  Bytes const encoded = encode(**first);
  HOLDFAST_CHECK(encoded.size() <= body.size() + 1);  // One: the flags of a NoData of Hypercore 10.
  auto const second = decode_message(type, encoded, kLimits);
  HOLDFAST_CHECK(second.ok() && **second == **first);
  HOLDFAST_CHECK(encode(**second) == encoded);
}

void check_handshake(ByteView body) {
  auto const first = decode_open_handshake(body);
  if (first) HOLDFAST_CHECK(*decode_open_handshake(encode(*first)) == *first);
}

}  // namespace
}  // namespace holdfast::wire

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace holdfast;
  testing::FuzzInput input(data, size);
  std::uint64_t const type = input.byte() % 11;
  ByteView const body = input.rest();
  wire::check_message(type, body);
  if (type == 10) wire::check_handshake(body);
  return 0;
}
