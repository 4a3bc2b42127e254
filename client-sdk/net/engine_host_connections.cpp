// Connections: accepted, dialled, and gone.

#include <utility>

#include "net/engine_host_state.h"

namespace holdfast::net {

namespace {

/// After an accept that failed for want of something (descriptors): try again then, not at once.
constexpr Duration kAcceptPause{100};

}  // namespace

void EngineHost::State::accept(std::shared_ptr<Listener> const& listener) {
  listener->acceptor.async_accept([this, listener](Failure failure, TcpSocket socket) {
    if (failure == boost::asio::error::operation_aborted || draining) return;
    if (!failure) {
      on_accepted(std::move(socket));
      return accept(listener);
    }
    listener->pause.expires_after(kAcceptPause);
    listener->pause.async_wait([this, listener](Failure stopped) {
      if (!stopped) accept(listener);
    });
  });
}

void EngineHost::State::on_accepted(TcpSocket socket) {
  Address const remote = remote_address(socket);
  std::size_t const from_there =
      accepted_from.contains(remote.host) ? accepted_from[remote.host] : 0;
  if (connections.size() >= options.connections_max ||
      from_there >= options.connections_per_address_max) {
    ++counts.refused;
    return;
  }
  ++counts.accepted;
  ++accepted_from[remote.host];
  Failure ignored;
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  adopt(std::move(socket), {}, std::nullopt);
}

void EngineHost::State::adopt(TcpSocket socket, sync::PeerOptions const& peer_options,
                              std::optional<DialId> dial) {
  wire::Role const role = dial ? wire::Role::Initiator : wire::Role::Responder;
  sync::PeerId const peer = engine.connect(role, static_pair, peer_options, steady_now());
  auto connection = std::make_unique<Connection>(*this, peer);
  connection->info.remote = remote_address(socket);
  connection->info.dial = dial;
  if (dial) {
    Dial& entry = dials.at(*dial);
    entry.attempt.reset();
    entry.peer = peer;
    connection->expected_key = entry.options.expected_key;
  }
  connection->pump = std::make_shared<TcpPump>(std::move(socket), *connection, PumpOptions{});
  Connection const& made = *(connections[peer] = std::move(connection));
  made.pump->wake();
  settle();
}

void EngineHost::State::remove(sync::PeerId peer, Error reason) {
  auto const found = connections.find(peer);
  if (found == connections.end()) return;
  std::unique_ptr<Connection> const gone = std::move(found->second);
  connections.erase(found);
  paused.erase(peer);
  gone->pump->close();
  if (gone->end_reason) reason = *gone->end_reason;
  if (!gone->info.dial) {
    auto const count = accepted_from.find(gone->info.remote.host);
    if (count != accepted_from.end() && --count->second == 0) accepted_from.erase(count);
  }
  if (!gone->info.dial) return;
  DialEnd end{std::move(reason), gone->handshake_at.has_value(), Duration(0)};
  if (gone->handshake_at) end.lived = steady_now() - *gone->handshake_at;
  end_dial(*gone->info.dial, end);
}

void EngineHost::State::start_dial(DialId id, Address const& target) {
  ++counts.dialled;
  auto attempt =
      TcpDial::start(io, target, options.dial_timeout, [this, id](Result<TcpSocket> made) {
        auto const found = dials.find(id);
        if (found == dials.end()) return;
        if (!made) {
          ++counts.dials_failed;
          return end_dial(id, {made.error(), false, Duration(0)});
        }
        adopt(std::move(*made), found->second.options.peer, id);
      });
  dials[id].attempt = std::move(attempt);
}

void EngineHost::State::end_dial(DialId id, DialEnd const& end) {
  auto const found = dials.find(id);
  if (found == dials.end()) return;
  Dial const dial = std::move(found->second);
  dials.erase(found);
  if (dial.attempt) dial.attempt->cancel();
  if (dial.closed) dial.closed(end);
}

void EngineHost::State::hang_up(DialId id) {
  auto const found = dials.find(id);
  if (found == dials.end()) return;
  Error const reason{ErrorCode::Unavailable, "hung up"};
  if (!found->second.peer) return end_dial(id, {reason, false, Duration(0)});
  sync::PeerId const peer = *found->second.peer;
  connections.at(peer)->end_reason = reason;
  engine.peer_gone(peer, steady_now());
  settle();
}

}  // namespace holdfast::net
