#include "sync/jobs.h"

#include <algorithm>

#include "core/manifest.h"
#include "merkle/make_proof.h"

namespace holdfast::sync {

namespace {

Answer no_data(wire::Request const& request, wire::NoData::Reason reason) {
  return {.request = request.id,
          .type = wire::NoData::kType,
          .body = wire::encode(wire::NoData{.request = request.id, .reason = reason}),
          .block_bytes = 0};
}

/// Errors: NotFound (not here), Malformed (cannot be answered by anyone), Storage.
Result<merkle::Proof> prove(wire::Request const& request, core::CoreView const& view,
                            std::uint64_t prologue_length) {
  core::Head const& head = view.head();
  if (request.fork != head.fork) return Unexpected(ErrorCode::NotFound, "other fork");
  Result<merkle::Proof> proof = merkle::make_proof(view,
                                                   {.fork = head.fork,
                                                    .length = head.length,
                                                    .signature = head.signature,
                                                    .prologue_length = prologue_length},
                                                   request.what);
  if (!proof) return proof;
  if (proof->block) {
    Result<std::optional<Bytes>> value = view.block(proof->block->index);
    if (!value) return Unexpected(value.error());
    if (!*value) return Unexpected(ErrorCode::NotFound, "block not held");
    proof->block->value = std::move(**value);
  }
  if (request.what.manifest && !view.manifest().empty()) proof->manifest = view.manifest();
  return proof;
}

std::uint64_t prologue_length_of(core::CoreView const& view) {
  if (view.manifest().empty()) return 0;
  Result<core::Manifest> const manifest = core::decode_manifest(view.manifest());
  return manifest && manifest->prologue ? manifest->prologue->length : 0;
}

}  // namespace

ServeResult run(ServeJob const& job, core::CoreView const& view) {
  ServeResult result{.id = job.id, .answers = {}};
  std::uint64_t const prologue_length = prologue_length_of(view);
  std::size_t bytes = 0;
  for (wire::Request const& request : job.requests) {
    Result<merkle::Proof> proof = prove(request, view, prologue_length);
    if (!proof) {
      bool const invalid = proof.error().code == ErrorCode::Malformed;
      result.answers.push_back(no_data(request, invalid ? wire::NoData::Reason::InvalidRequest
                                                        : wire::NoData::Reason::NotAvailable));
      continue;
    }
    std::size_t const block_bytes = proof->block ? proof->block->value.size() : 0;
    result.answers.push_back(
        {.request = request.id,
         .type = wire::Data::kType,
         .body = wire::encode(wire::Data{.request = request.id, .proof = *std::move(proof)}),
         .block_bytes = block_bytes});
    bytes += block_bytes;
    if (bytes > job.bytes_max) break;
  }
  return result;
}

IngestResult run(IngestJob job, core::CoreView const& view) {
  IngestResult result;
  result.id = job.id;
  result.fork = view.head().fork;
  result.length = view.head().length;
  Result<core::CommitBuilder> builder = core::CommitBuilder::begin(job.core, view);
  result.verdicts.reserve(job.proofs.size());
  if (!builder) {
    result.verdicts.assign(job.proofs.size(), Unexpected(builder.error()));
    return result;
  }
  for (merkle::Proof& proof : job.proofs) result.verdicts.push_back(builder->add(std::move(proof)));
  result.fork = builder->head().fork;
  result.length = builder->head().length;
  result.commit = std::move(*builder).take();
  result.manifest = result.commit.manifest;
  result.truncated_to = result.commit.truncate_to;
  result.blocks.reserve(result.commit.blocks.size());
  for (core::BlockWrite const& write : result.commit.blocks)
    result.blocks.push_back(write.index.value());
  std::sort(result.blocks.begin(), result.blocks.end());
  return result;
}

}  // namespace holdfast::sync
