#include "crypto/secret_stream.h"

#include <sodium.h>

#include "base/check.h"

namespace holdfast {

static_assert(kStreamOverheadBytes == crypto_secretstream_xchacha20poly1305_ABYTES);
static_assert(StreamHeader::kSize == crypto_secretstream_xchacha20poly1305_HEADERBYTES);

struct StreamSealer::State {
  crypto_secretstream_xchacha20poly1305_state stream;
  ~State() { sodium_memzero(&stream, sizeof stream); }
};
struct StreamOpener::State {
  crypto_secretstream_xchacha20poly1305_state stream;
  ~State() { sodium_memzero(&stream, sizeof stream); }
};

StreamSealer::StreamSealer(CipherKey const& key) : state_(std::make_unique<State>()) {
  crypto_secretstream_xchacha20poly1305_init_push(&state_->stream, header_.data(), key.data());
}

StreamSealer::StreamSealer(CipherKey const& key, StreamHeader const& header)
    : state_(std::make_unique<State>()), header_(header) {
  // Once the header is known both ends start from the same state, so the reader's initialiser does
  // for the writer.
  crypto_secretstream_xchacha20poly1305_init_pull(&state_->stream, header.data(), key.data());
}

StreamSealer::~StreamSealer() = default;
StreamSealer::StreamSealer(StreamSealer&&) noexcept = default;
StreamSealer& StreamSealer::operator=(StreamSealer&&) noexcept = default;

void StreamSealer::seal(ByteView plain, Byte* out) {
  int const status = crypto_secretstream_xchacha20poly1305_push(
      &state_->stream, out, nullptr, plain.data(), plain.size(), nullptr, 0,
      crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
  HOLDFAST_CHECK(status == 0);
}

StreamOpener::StreamOpener(CipherKey const& key, StreamHeader const& header)
    : state_(std::make_unique<State>()) {
  crypto_secretstream_xchacha20poly1305_init_pull(&state_->stream, header.data(), key.data());
}

StreamOpener::~StreamOpener() = default;
StreamOpener::StreamOpener(StreamOpener&&) noexcept = default;
StreamOpener& StreamOpener::operator=(StreamOpener&&) noexcept = default;

Result<Bytes> StreamOpener::open(ByteView cipher) {
  if (cipher.size() < kStreamOverheadBytes) {
    return Unexpected(ErrorCode::Malformed, "frame shorter than its tag");
  }
  Bytes plain(cipher.size() - kStreamOverheadBytes);
  Byte tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&state_->stream, plain.data(), nullptr, &tag,
                                                 cipher.data(), cipher.size(), nullptr, 0) != 0) {
    return Unexpected(ErrorCode::BadHandshake, "frame does not decrypt");
  }
  return plain;
}

}  // namespace holdfast
