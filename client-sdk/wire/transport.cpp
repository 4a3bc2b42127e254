#include "wire/transport.h"

#include <deque>
#include <utility>

#include "base/check.h"
#include "crypto/noise.h"
#include "wire/frame_reader.h"

namespace holdfast::wire {

namespace {

constexpr std::size_t kStreamIdBytes = Hash::kSize;
constexpr std::size_t kHeaderFrameBytes = kStreamIdBytes + StreamHeader::kSize;
constexpr std::size_t kPlainBytesMax = (1u << 24) - 1 - kStreamOverheadBytes;

Hash stream_id(Role sender, Hash64 const& handshake_hash) {
  static Hash const kInitiator = crypto_namespace("hyperswarm/secret-stream", 0);
  static Hash const kResponder = crypto_namespace("hyperswarm/secret-stream", 1);
  Hash const& name = sender == Role::Initiator ? kInitiator : kResponder;
  return blake2b_keyed(handshake_hash.view(), {name.view()});
}

NoiseRole noise_role(Role role) {
  return role == Role::Initiator ? NoiseRole::Initiator : NoiseRole::Responder;
}

Role other(Role role) { return role == Role::Initiator ? Role::Responder : Role::Initiator; }

void append_frame_length(Bytes& out, std::size_t length) {
  for (unsigned shift = 0; shift < 24; shift += 8)
    out.push_back(static_cast<Byte>(length >> shift));
}

}  // namespace

struct Transport::State {
  enum class Phase : std::uint8_t { AwaitHandshake, AwaitHeader, Open };

  State(Role own_role, KeyPair const& static_pair, KeyPair const& ephemeral_pair,
        std::optional<StreamHeader> const& own_header, TransportOptions const& limits)
      : role(own_role),
        options(limits),
        given_header(own_header),
        noise(std::in_place, noise_role(own_role), static_pair, ephemeral_pair),
        reader(0) {
    if (noise->our_turn()) HOLDFAST_CHECK(write_handshake().ok());  // m1 needs no remote key.
    reader.set_frame_bytes_max(noise->message_bytes());
  }

  Result<void> write_handshake();
  Result<void> finish_handshake();
  Result<void> on_handshake(ByteView payload);
  Result<void> on_header(ByteView payload);
  Result<void> on_frame(ByteView payload);
  Result<void> on_payload(ByteView payload);
  Result<void> consume(ByteView bytes);
  void set_open_limit();

  Role role;
  TransportOptions options;
  std::optional<StreamHeader> given_header;
  Phase phase = Phase::AwaitHandshake;
  bool trusted = false;
  std::optional<Error> failure;

  std::optional<NoiseHandshake> noise;  ///< Until it is complete.
  std::optional<NoiseResult> result;    ///< From then on.
  std::optional<StreamSealer> sealer;
  std::optional<StreamOpener> opener;

  FrameReader reader;
  std::deque<Bytes> frames;
  Bytes output;
};

Result<void> Transport::State::write_handshake() {
  Result<Bytes> const message = noise->write();
  if (!message) return Unexpected(message.error());
  append_frame_length(output, message->size());
  append(output, *message);
  return {};
}

Result<void> Transport::State::finish_handshake() {
  result = noise->result();
  noise.reset();
  if (given_header) {
    sealer.emplace(result->send_key, *given_header);
  } else {
    sealer.emplace(result->send_key);
  }
  append_frame_length(output, kHeaderFrameBytes);
  append(output, stream_id(role, result->handshake_hash).view());
  append(output, sealer->header().view());
  phase = Phase::AwaitHeader;
  reader.set_frame_bytes_max(kHeaderFrameBytes);
  return {};
}

Result<void> Transport::State::on_handshake(ByteView payload) {
  if (auto const read = noise->read(payload); !read) return read;
  if (!noise->complete() && noise->our_turn()) {
    if (auto const written = write_handshake(); !written) return written;
  }
  if (noise->complete()) return finish_handshake();
  reader.set_frame_bytes_max(noise->message_bytes());
  return {};
}

void Transport::State::set_open_limit() {
  reader.set_frame_bytes_max(trusted ? options.frame_bytes_max : options.untrusted_frame_bytes_max);
}

Result<void> Transport::State::on_header(ByteView payload) {
  if (payload.size() != kHeaderFrameBytes) {
    return Unexpected(ErrorCode::BadHandshake, "stream header of a wrong size");
  }
  Hash const expected = stream_id(other(role), result->handshake_hash);
  if (!equal_in_constant_time(payload.first(kStreamIdBytes), expected.view())) {
    return Unexpected(ErrorCode::BadHandshake, "wrong stream id");
  }
  opener.emplace(result->receive_key, *StreamHeader::from(payload.subspan(kStreamIdBytes)));
  phase = Phase::Open;
  set_open_limit();
  return {};
}

Result<void> Transport::State::on_frame(ByteView payload) {
  Result<Bytes> plain = opener->open(payload);
  if (!plain) return Unexpected(plain.error());
  if (!plain->empty()) frames.push_back(std::move(*plain));
  return {};
}

Result<void> Transport::State::on_payload(ByteView payload) {
  switch (phase) {
    case Phase::AwaitHandshake:
      return on_handshake(payload);
    case Phase::AwaitHeader:
      return on_header(payload);
    case Phase::Open:
      return on_frame(payload);
  }
  HOLDFAST_CHECK(false);
  return {};
}

Result<void> Transport::State::consume(ByteView bytes) {
  while (!bytes.empty()) {
    Result<std::optional<ByteView>> const payload = reader.next(bytes);
    if (!payload) return Unexpected(payload.error());
    if (!payload->has_value()) return {};
    if (auto const handled = on_payload(**payload); !handled) return handled;
  }
  return {};
}

Transport::Transport(Role role, KeyPair const& static_pair, TransportOptions const& options)
    : Transport(role, static_pair, KeyPair::random(), options) {}

Transport::Transport(Role role, KeyPair const& static_pair, KeyPair const& ephemeral_pair,
                     TransportOptions const& options)
    : state_(std::make_unique<State>(role, static_pair, ephemeral_pair, std::nullopt, options)) {}

Transport::Transport(Role role, KeyPair const& static_pair, KeyPair const& ephemeral_pair,
                     StreamHeader const& header, TransportOptions const& options)
    : state_(std::make_unique<State>(role, static_pair, ephemeral_pair, header, options)) {}

Transport::~Transport() = default;
Transport::Transport(Transport&&) noexcept = default;
Transport& Transport::operator=(Transport&&) noexcept = default;

Result<void> Transport::receive(ByteView bytes) {
  if (!state_->failure) {
    auto const consumed = state_->consume(bytes);
    if (consumed) return {};
    state_->failure = consumed.error();
  }
  return Unexpected(*state_->failure);
}

std::optional<Bytes> Transport::next_frame() {
  if (state_->frames.empty()) return std::nullopt;
  Bytes frame = std::move(state_->frames.front());
  state_->frames.pop_front();
  return frame;
}

void Transport::send(ByteView plain) {
  HOLDFAST_CHECK(state_->sealer.has_value() && plain.size() <= kPlainBytesMax);
  Bytes& out = state_->output;
  append_frame_length(out, plain.size() + kStreamOverheadBytes);
  std::size_t const start = out.size();
  out.resize(start + plain.size() + kStreamOverheadBytes);
  state_->sealer->seal(plain, out.data() + start);
}

void Transport::send_keep_alive() { send({}); }

Bytes Transport::take_output() { return std::exchange(state_->output, {}); }
std::size_t Transport::output_bytes() const { return state_->output.size(); }

void Transport::set_trusted() {
  state_->trusted = true;
  if (state_->phase == State::Phase::Open) state_->set_open_limit();
}

Role Transport::role() const { return state_->role; }

std::optional<PublicKey> Transport::remote_key() const {
  if (!state_->result) return std::nullopt;
  return state_->result->remote_key;
}

std::optional<Hash64> Transport::handshake_hash() const {
  if (!state_->result) return std::nullopt;
  return state_->result->handshake_hash;
}

bool Transport::open() const { return state_->phase == State::Phase::Open; }

}  // namespace holdfast::wire
