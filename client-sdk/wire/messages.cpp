#include "wire/messages.h"

#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::wire {

namespace {

using merkle::Node;
using merkle::Proof;
using merkle::ProofRequest;

// Bits of the flags in front of each message. Source: SPEC section 6.
constexpr std::uint64_t kOpenSeeks = 1;
constexpr std::uint64_t kSyncCanUpgrade = 1;
constexpr std::uint64_t kSyncUploading = 2;
constexpr std::uint64_t kSyncDownloading = 4;
constexpr std::uint64_t kSyncHasManifest = 8;
constexpr std::uint64_t kSyncAllowPush = 16;
constexpr std::uint64_t kHasBlock = 1;  // These five are the same in Request and Data.
constexpr std::uint64_t kHasHash = 2;
constexpr std::uint64_t kHasSeek = 4;
constexpr std::uint64_t kHasUpgrade = 8;
constexpr std::uint64_t kHasManifest = 16;
constexpr std::uint64_t kHasPriority = 32;
constexpr std::uint64_t kNoDataHasReason = 1;
constexpr std::uint64_t kWantAny = 1;
constexpr std::uint64_t kRangeDrop = 1;
constexpr std::uint64_t kRangeLengthIsOne = 2;

constexpr std::size_t kNodeBytesMin = 2 + Hash::kSize;
constexpr std::size_t kNodeBytesMax = 18 + Hash::kSize;

std::uint64_t flag(bool set, std::uint64_t bit) { return set ? bit : 0; }

void write_nodes(Encoder& out, std::vector<Node> const& nodes) {
  out.reserve(9 + nodes.size() * kNodeBytesMax);
  out.write_uint(nodes.size());
  for (Node const& node : nodes) {
    out.write_uint(node.index.value()).write_uint(node.size).write_raw(node.hash.view());
  }
}

std::vector<Node> read_nodes(Decoder& in, std::size_t count_max) {
  std::size_t const count = in.read_count(count_max, kNodeBytesMin);
  std::vector<Node> nodes(count);
  for (Node& node : nodes) {
    node.index = TreeIndex(in.read_uint());
    node.size = in.read_uint();
    node.hash = in.read_fixed<Hash>();
  }
  return nodes;
}

/// Reads over the fields of a manifest. It has no length in front, so its end has to be found by
/// walking it; what the fields mean is for whoever checks the manifest.
void skip_manifest(Decoder& in, MessageLimits const& limits) {
  constexpr std::size_t kSignerBytes = 1 + 32 + 32;
  auto const skip_signer = [&in] {
    if (in.read_uint() != 0) in.fail(ErrorCode::Malformed, "unknown kind of signer");
    in.read_raw(64);
  };
  auto const skip_signers = [&] {
    std::size_t const count = in.read_count(limits.manifest_bytes_max / kSignerBytes, kSignerBytes);
    for (std::size_t i = 0; i < count; ++i) skip_signer();
  };
  std::uint64_t const version = in.read_uint();
  if (version > 3) {  // Nobody can check it, so where it ends does not matter.
    in.read_rest();
    return;
  }
  if (version == 0) {
    in.read_uint();  // kind of hash
    std::uint64_t const type = in.read_uint(2);
    if (type == 0) in.read_raw(32);
    if (type == 1) skip_signer();
    if (type == 2) {
      in.read_uint();  // flags
      in.read_uint();  // quorum
      skip_signers();
    }
    return;
  }
  std::uint64_t const flags = in.read_uint();
  in.read_uint();  // kind of hash
  in.read_uint();  // quorum
  skip_signers();
  if ((flags & 2) != 0) {  // prologue
    in.read_raw(32);
    in.read_uint();
  }
  if (version >= 2 && (flags & 4) != 0) {  // linked cores
    in.read_raw(in.read_count(limits.manifest_bytes_max / 32, 32) * 32);
  }
  if (version >= 2 && (flags & 8) != 0) in.read_buffer(limits.manifest_bytes_max);  // user data
}

Bytes read_manifest(Decoder& in, MessageLimits const& limits) {
  Decoder probe = in;
  skip_manifest(probe, limits);
  if (!probe.ok()) {
    Result<void> const end = probe.finish();
    in.fail(end.error().code, "bad manifest");
    return {};
  }
  std::size_t const size = in.remaining() - probe.remaining();
  if (size > limits.manifest_bytes_max) {
    in.fail(ErrorCode::LimitExceeded, "manifest longer than its limit");
    return {};
  }
  return to_bytes(in.read_raw(size));
}

void write(Encoder& out, Sync const& message) {
  out.write_uint(
      flag(message.can_upgrade, kSyncCanUpgrade) | flag(message.uploading, kSyncUploading) |
      flag(message.downloading, kSyncDownloading) | flag(message.has_manifest, kSyncHasManifest) |
      flag(message.allow_push, kSyncAllowPush));
  out.write_uint(message.fork).write_uint(message.length).write_uint(message.remote_length);
}

Sync read_sync(Decoder& in) {
  std::uint64_t const flags = in.read_uint();
  Sync message;
  message.can_upgrade = (flags & kSyncCanUpgrade) != 0;
  message.uploading = (flags & kSyncUploading) != 0;
  message.downloading = (flags & kSyncDownloading) != 0;
  message.has_manifest = (flags & kSyncHasManifest) != 0;
  message.allow_push = (flags & kSyncAllowPush) != 0;
  message.fork = in.read_uint();
  message.length = in.read_uint();
  message.remote_length = in.read_uint();
  return message;
}

void write(Encoder& out, Request const& message) {
  ProofRequest const& what = message.what;
  out.write_uint(flag(what.block.has_value(), kHasBlock) | flag(what.hash.has_value(), kHasHash) |
                 flag(what.seek.has_value(), kHasSeek) |
                 flag(what.upgrade.has_value(), kHasUpgrade) | flag(what.manifest, kHasManifest) |
                 flag(message.priority != 0, kHasPriority));
  out.write_uint(message.id).write_uint(message.fork);
  if (what.block) out.write_uint(what.block->index.value()).write_uint(what.block->nodes);
  if (what.hash) out.write_uint(what.hash->index.value()).write_uint(what.hash->nodes);
  if (what.seek) out.write_uint(what.seek->bytes).write_uint(what.seek->padding);
  if (what.upgrade) out.write_uint(what.upgrade->start).write_uint(what.upgrade->length);
  if (message.priority != 0) out.write_uint(message.priority);
}

Request read_request(Decoder& in) {
  std::uint64_t const flags = in.read_uint();
  Request message;
  ProofRequest& what = message.what;
  message.id = in.read_uint();
  message.fork = in.read_uint();
  if ((flags & kHasBlock) != 0) {
    what.block.emplace();
    what.block->index = BlockIndex(in.read_uint());
    what.block->nodes = in.read_uint();
  }
  if ((flags & kHasHash) != 0) {
    what.hash.emplace();
    what.hash->index = TreeIndex(in.read_uint());
    what.hash->nodes = in.read_uint();
  }
  if ((flags & kHasSeek) != 0) {
    what.seek.emplace();
    what.seek->bytes = in.read_uint();
    what.seek->padding = in.read_uint();
  }
  if ((flags & kHasUpgrade) != 0) {
    what.upgrade.emplace();
    what.upgrade->start = in.read_uint();
    what.upgrade->length = in.read_uint();
  }
  what.manifest = (flags & kHasManifest) != 0;
  if ((flags & kHasPriority) != 0) message.priority = in.read_uint();
  return message;
}

void write(Encoder& out, Cancel const& message) { out.write_uint(message.request); }

void write(Encoder& out, Data const& message) {
  Proof const& proof = message.proof;
  if (proof.block)
    out.reserve(64 + proof.block->value.size() + proof.block->nodes.size() * kNodeBytesMax);
  out.write_uint(flag(proof.block.has_value(), kHasBlock) | flag(proof.hash.has_value(), kHasHash) |
                 flag(proof.seek.has_value(), kHasSeek) |
                 flag(proof.upgrade.has_value(), kHasUpgrade) |
                 flag(proof.manifest.has_value(), kHasManifest));
  out.write_uint(message.request).write_uint(proof.fork);
  if (proof.block) {
    out.write_uint(proof.block->index.value()).write_buffer(proof.block->value);
    write_nodes(out, proof.block->nodes);
  }
  if (proof.hash) {
    out.write_uint(proof.hash->index.value());
    write_nodes(out, proof.hash->nodes);
  }
  if (proof.seek) {
    out.write_uint(proof.seek->bytes);
    write_nodes(out, proof.seek->nodes);
  }
  if (proof.upgrade) {
    out.write_uint(proof.upgrade->start).write_uint(proof.upgrade->length);
    write_nodes(out, proof.upgrade->nodes);
    write_nodes(out, proof.upgrade->additional_nodes);
    out.write_buffer(proof.upgrade->signature);
  }
  if (proof.manifest) out.write_raw(*proof.manifest);
}

Data read_data(Decoder& in, MessageLimits const& limits) {
  std::uint64_t const flags = in.read_uint();
  Data message;
  Proof& proof = message.proof;
  message.request = in.read_uint();
  proof.fork = in.read_uint();
  if ((flags & kHasBlock) != 0) {
    proof.block.emplace();
    proof.block->index = BlockIndex(in.read_uint());
    proof.block->value = to_bytes(in.read_buffer(limits.block_bytes_max));
    proof.block->nodes = read_nodes(in, limits.proof_nodes_max);
  }
  if ((flags & kHasHash) != 0) {
    proof.hash.emplace();
    proof.hash->index = TreeIndex(in.read_uint());
    proof.hash->nodes = read_nodes(in, limits.proof_nodes_max);
  }
  if ((flags & kHasSeek) != 0) {
    proof.seek.emplace();
    proof.seek->bytes = in.read_uint();
    proof.seek->nodes = read_nodes(in, limits.proof_nodes_max);
  }
  if ((flags & kHasUpgrade) != 0) {
    proof.upgrade.emplace();
    proof.upgrade->start = in.read_uint();
    proof.upgrade->length = in.read_uint();
    proof.upgrade->nodes = read_nodes(in, limits.proof_nodes_max);
    proof.upgrade->additional_nodes = read_nodes(in, limits.additional_nodes_max);
    proof.upgrade->signature = to_bytes(in.read_buffer(limits.signature_bytes_max));
  }
  if ((flags & kHasManifest) != 0) proof.manifest = read_manifest(in, limits);
  return message;
}

void write(Encoder& out, NoData const& message) {
  // The flags are written even if they are zero, as Hypercore 11 does; Hypercore 10 ignores what
  // follows the id.
  bool const has_reason = message.reason != NoData::Reason::None;
  out.write_uint(message.request).write_uint(flag(has_reason, kNoDataHasReason));
  if (has_reason) out.write_uint(static_cast<std::uint64_t>(message.reason));
}

NoData read_no_data(Decoder& in) {
  NoData message;
  message.request = in.read_uint();
  if (in.remaining() == 0 || (in.read_uint() & kNoDataHasReason) == 0) return message;
  std::uint64_t const reason = in.read_uint();
  if (reason == 1) message.reason = NoData::Reason::NotAvailable;
  if (reason == 2) message.reason = NoData::Reason::InvalidRequest;
  return message;
}

template <typename WantOrUnwant>
void write_window(Encoder& out, WantOrUnwant const& message) {
  out.write_uint(message.start).write_uint(message.length);
  if (message.any) out.write_uint(kWantAny);
}

void write(Encoder& out, Want const& message) { write_window(out, message); }
void write(Encoder& out, Unwant const& message) { write_window(out, message); }

template <typename WantOrUnwant>
WantOrUnwant read_window(Decoder& in) {
  WantOrUnwant message;
  message.start = in.read_uint();
  message.length = in.read_uint();
  if (in.remaining() > 0) message.any = (in.read_uint() & kWantAny) != 0;
  return message;
}

void write(Encoder& out, Bitfield const& message) {
  out.reserve(18 + message.words.size() * 4);
  out.write_uint(message.start).write_uint(message.words.size());
  for (std::uint32_t const word : message.words) out.write_u32le(word);
}

Bitfield read_bitfield(Decoder& in, MessageLimits const& limits) {
  Bitfield message;
  message.start = in.read_uint();
  if (message.start % 32 != 0) in.fail(ErrorCode::Malformed, "bitfield starts inside a word");
  message.words.resize(in.read_count(limits.bitfield_words_max, 4));
  for (std::uint32_t& word : message.words) word = in.read_u32le();
  return message;
}

void write(Encoder& out, Range const& message) {
  bool const one = message.length == 1;
  out.write_uint(flag(message.drop, kRangeDrop) | flag(one, kRangeLengthIsOne));
  out.write_uint(message.start);
  if (!one) out.write_uint(message.length);
}

Range read_range(Decoder& in) {
  std::uint64_t const flags = in.read_uint();
  Range message;
  message.drop = (flags & kRangeDrop) != 0;
  message.start = in.read_uint();
  message.length = (flags & kRangeLengthIsOne) != 0 ? 1 : in.read_uint();
  return message;
}

void write(Encoder& out, Extension const& message) {
  out.write_string(message.name).write_raw(message.body);
}

Extension read_extension(Decoder& in, MessageLimits const& limits) {
  Extension message;
  message.name = std::string(in.read_string(limits.extension_name_bytes_max));
  message.body = to_bytes(in.read_rest());
  return message;
}

/// Returns: nothing for an unknown type.
std::optional<Message> read_message(std::uint64_t type, Decoder& in, MessageLimits const& limits) {
  switch (type) {
    case Sync::kType:
      return read_sync(in);
    case Request::kType:
      return read_request(in);
    case Cancel::kType:
      return Cancel{.request = in.read_uint()};
    case Data::kType:
      return read_data(in, limits);
    case NoData::kType:
      return read_no_data(in);
    case Want::kType:
      return read_window<Want>(in);
    case Unwant::kType:
      return read_window<Unwant>(in);
    case Bitfield::kType:
      return read_bitfield(in, limits);
    case Range::kType:
      return read_range(in);
    case Extension::kType:
      return read_extension(in, limits);
    default:
      return std::nullopt;
  }
}

}  // namespace

Bytes encode(Message const& message) {
  Encoder out;
  std::visit([&out](auto const& which) { write(out, which); }, message);
  return std::move(out).take();
}

Bytes encode(OpenHandshake const& handshake) {
  Encoder out;
  out.write_uint(flag(handshake.seeks, kOpenSeeks)).write_raw(handshake.capability.view());
  return std::move(out).take();
}

Result<std::optional<Message>> decode_message(std::uint64_t type, ByteView body,
                                              MessageLimits const& limits) {
  Decoder in(body);
  std::optional<Message> message = read_message(type, in, limits);
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return message;
}

Result<OpenHandshake> decode_open_handshake(ByteView bytes) {
  Decoder in(bytes);
  OpenHandshake handshake;
  handshake.seeks = (in.read_uint() & kOpenSeeks) != 0;
  handshake.capability = in.read_fixed<Hash>();
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return handshake;
}

}  // namespace holdfast::wire
