#include "sync/peer_session.h"

#include "base/check.h"
#include "wire/capability.h"

namespace holdfast::sync {

PeerSession::PeerSession(PeerId peer_id, wire::Role role, KeyPair const& pair,
                         PeerOptions const& peer_options, Options const& limits, Instant now)
    : id(peer_id),
      options(peer_options),
      transport(role, pair, limits.transport),
      connected(now),
      last_read(now),
      last_write(now),
      progress(now) {}

Bytes PeerSession::open_handshake(CoreKey const& core) const {
  std::optional<Hash64> const hash = transport.handshake_hash();
  HOLDFAST_CHECK(hash.has_value());
  return wire::encode(wire::OpenHandshake{
      .seeks = false, .capability = wire::capability(transport.role(), *hash, core)});
}

Result<void> PeerSession::check_handshake(CoreKey const& core, ByteView handshake) const {
  Result<wire::OpenHandshake> const theirs = wire::decode_open_handshake(handshake);
  if (!theirs) return Unexpected(theirs.error());
  std::optional<Hash64> const hash = transport.handshake_hash();
  HOLDFAST_CHECK(hash.has_value());
  wire::Role const sender =
      transport.role() == wire::Role::Initiator ? wire::Role::Responder : wire::Role::Initiator;
  Hash const expected = wire::capability(sender, *hash, core);
  if (!equal_in_constant_time(expected.view(), theirs->capability.view())) {
    return Unexpected(ErrorCode::BadCapability, "wire peer does not know the core key");
  }
  return {};
}

void PeerSession::bind(wire::ChannelId channel, CoreKey const& core) {
  HOLDFAST_CHECK(core_of.emplace(channel, core).second);
  HOLDFAST_CHECK(channel_of.emplace(core, channel).second);
}

std::optional<CoreKey> PeerSession::unbind(wire::ChannelId channel) {
  auto const found = core_of.find(channel);
  if (found == core_of.end()) return std::nullopt;
  CoreKey const core = found->second;
  core_of.erase(found);
  channel_of.erase(core);
  serve_ready.erase(core);
  return core;
}

bool PeerSession::flush(Instant now) {
  if (mux) {
    while (std::optional<Bytes> const frame = mux->next_output()) transport.send(*frame);
  }
  if (transport.output_bytes() == 0) return false;
  last_write = now;
  return true;
}

}  // namespace holdfast::sync
