#include "discovery/store/store_codec.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "codec/decoder.h"
#include "codec/encoder.h"

namespace holdfast::discovery {

namespace {

using registration::KeyholderProof;
using registration::LoadFigures;
using registration::ReplicatorState;

constexpr std::size_t kNumberBytes = 6;
constexpr std::uint64_t kExpiryMax = (std::uint64_t{1} << 48) - 1;

void append_number(std::string& out, std::uint64_t number) {
  for (int shift = 40; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(number >> shift & 0xff)));
  }
}

std::uint64_t number_of(ByteView bytes) {
  std::uint64_t out = 0;
  for (Byte const byte : bytes) out = out << 8 | byte;
  return out;
}

std::uint64_t read_number(Decoder& in) { return number_of(in.read_raw(kNumberBytes)); }

/// A length in two bytes, big-endian, then so many.
std::string_view read_field(Decoder& in) {
  std::size_t const size = number_of(in.read_raw(2));
  return as_text(in.read_raw(size));
}

Duration left_of(std::uint64_t end, std::uint64_t now) {
  return Duration(static_cast<Duration::rep>(end > now ? end - now : 0));
}

ReplicatorState read_state(Decoder& in) {
  return number_of(in.read_raw(1)) == '1' ? ReplicatorState::Draining : ReplicatorState::Active;
}

EntryEvent read_entry(Decoder& in, PublicKey const& id, std::uint64_t now) {
  EntryEvent out;
  out.entry.id = id;
  out.entry.lease_left = left_of(read_number(in), now);
  out.entry.generation = read_number(in);
  out.entry.state = read_state(in);
  out.entry.load = decode_load(read_field(in));
  out.entry.health = decode_health(read_field(in));
  out.entry.observed_host = read_field(in);
  out.entry.signed_record = to_bytes(in.read_rest());
  return out;
}

RenewedEvent read_renewed(Decoder& in, PublicKey const& id, std::uint64_t now) {
  RenewedEvent out;
  out.id = id;
  out.lease_left = left_of(read_number(in), now);
  out.state = read_state(in);
  out.load = decode_load(as_text(in.read_rest()));
  return out;
}

}  // namespace

std::string encode_line(HostingLine const& line) {
  HOLDFAST_CHECK(line.generation <= kGenerationMax);
  bool const is_proven = line.proof && line.proof->expires_unix_s <= kExpiryMax;
  std::string out(as_text(line.prefix.view()));
  append_number(out, line.generation | (is_proven ? kGenerationMax + 1 : 0));
  if (!is_proven) return out;
  out.append(as_text(line.proof->keyholder.view()));
  out.append(as_text(line.proof->signature.view()));
  append_number(out, line.proof->expires_unix_s);
  return out;
}

Result<std::vector<HostingLine>> decode_lines(std::string_view bytes) {
  std::vector<HostingLine> out;
  Decoder in(as_bytes(bytes));
  while (in.ok() && in.remaining() > 0) {
    HostingLine& line = out.emplace_back();
    line.prefix = in.read_fixed<IdPrefix>();
    std::uint64_t const number = read_number(in);
    line.generation = number & kGenerationMax;
    if (number <= kGenerationMax) continue;
    KeyholderProof& proof = line.proof.emplace();
    proof.keyholder = in.read_fixed<PublicKey>();
    proof.signature = in.read_fixed<Signature>();
    proof.expires_unix_s = read_number(in);
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

std::string encode_load(LoadFigures const& load) {
  Encoder out;
  out.write_uint(load.projects).write_uint(load.connections).write_uint(load.stored_bytes);
  out.write_uint(load.free_bytes).write_uint(load.cpu_permille);
  out.write_uint(load.storage_full ? 1 : 0);
  return std::string(as_text(out.view()));
}

LoadFigures decode_load(std::string_view bytes) {
  Decoder in(as_bytes(bytes));
  LoadFigures out;
  out.projects = in.read_uint();
  out.connections = in.read_uint();
  out.stored_bytes = in.read_uint();
  out.free_bytes = in.read_uint();
  out.cpu_permille = in.read_uint();
  out.storage_full = in.read_uint() != 0;
  return in.ok() ? out : LoadFigures{};
}

std::string encode_health(Health const& health) {
  Encoder out;
  out.write_uint(static_cast<std::uint64_t>(health.self_test)).write_uint(health.is_out ? 1 : 0);
  out.write_uint(health.fails_in_row).write_uint(health.passes_in_row);
  out.write_uint(health.last_pass_unix_ms);
  out.write_string(std::string_view(health.transcript).substr(0, kTranscriptBytesMax));
  return std::string(as_text(out.view()));
}

Health decode_health(std::string_view bytes) {
  constexpr std::uint64_t kRowMax = 0xffffffff;
  Decoder in(as_bytes(bytes));
  Health out;
  out.self_test = static_cast<SelfTest>(in.read_uint(static_cast<std::uint64_t>(SelfTest::Failed)));
  out.is_out = in.read_uint() != 0;
  out.fails_in_row = static_cast<std::uint32_t>(in.read_uint(kRowMax));
  out.passes_in_row = static_cast<std::uint32_t>(in.read_uint(kRowMax));
  out.last_pass_unix_ms = in.read_uint();
  out.transcript = in.read_string(kTranscriptBytesMax);
  return in.ok() ? out : Health{};
}

Result<StoreEvent> decode_event(std::string_view bytes) {
  Decoder in(as_bytes(bytes));
  StoreEvent out;
  auto const kind = static_cast<char>(number_of(in.read_raw(1)));
  if (kind == 'S') {
    std::uint64_t const shared = number_of(in.read_raw(1)) - '0';
    if (!in.ok() || shared >= kSharedKindCount) {
      return Unexpected(ErrorCode::Malformed, "not a kind of shared value");
    }
    out.what = SharedEvent{static_cast<SharedKind>(shared)};
    return out;
  }
  PublicKey const id = in.read_fixed<PublicKey>();
  out.now_unix_ms = read_number(in);
  if (kind == 'E') {
    out.what = read_entry(in, id, out.now_unix_ms);
  } else if (kind == 'R') {
    out.what = read_renewed(in, id, out.now_unix_ms);
  } else if (kind == 'G') {
    out.what = GoneEvent{id};
  } else if (kind == 'A') {
    out.what = AssignmentEvent{id};
  } else {
    in.fail(ErrorCode::Malformed, "not a message of ours");
  }
  if (Result<void> const end = in.finish(); !end) return Unexpected(end.error());
  return out;
}

}  // namespace holdfast::discovery
