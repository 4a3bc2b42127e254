#include "net/tcp.h"

#include <chrono>
#include <string>
#include <utility>

#include <boost/asio/connect.hpp>

namespace holdfast::net {
namespace {

using boost::asio::ip::tcp;
using Failure = boost::system::error_code;

Unexpected unavailable(std::string const& what, Failure const& why) {
  return Unexpected(ErrorCode::Unavailable, what + ": " + why.message());
}

}  // namespace

Instant steady_now() {
  return Instant(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

Result<TcpAcceptor> open_acceptor(boost::asio::io_context& io, Address const& address) {
  std::string const name = to_text(address);
  Failure failure;
  auto const found = tcp::resolver(io).resolve(address.host, std::to_string(address.port),
                                               tcp::resolver::passive, failure);
  if (failure || found.empty()) return unavailable("cannot listen on " + name, failure);
  tcp::endpoint const endpoint = found.begin()->endpoint();
  TcpAcceptor acceptor(io);
  if (acceptor.open(endpoint.protocol(), failure); failure) {
    return unavailable("cannot listen on " + name, failure);
  }
  acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
  if (acceptor.bind(endpoint, failure); failure) {
    return unavailable("cannot listen on " + name, failure);
  }
  if (acceptor.listen(tcp::acceptor::max_listen_connections, failure); failure) {
    return unavailable("cannot listen on " + name, failure);
  }
  return acceptor;
}

Address remote_address(TcpSocket const& socket) {
  Failure failure;
  tcp::endpoint const remote = socket.remote_endpoint(failure);
  if (failure) return {};
  boost::asio::ip::address address = remote.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
  }
  return {address.to_string(), remote.port()};
}

TcpDial::TcpDial(boost::asio::io_context& io, Done done)
    : resolver_(io), socket_(io), timer_(io), done_(std::move(done)) {}

std::shared_ptr<TcpDial> TcpDial::start(boost::asio::io_context& io, Address const& target,
                                        Duration at_most, Done done) {
  std::shared_ptr<TcpDial> const dial(new TcpDial(io, std::move(done)));
  dial->timer_.expires_after(at_most);
  dial->timer_.async_wait([dial](Failure stopped) {
    if (!stopped) dial->finish(Unexpected(ErrorCode::Unavailable, "no answer within the time-out"));
  });
  dial->resolver_.async_resolve(
      target.host, std::to_string(target.port),
      [dial, host = target.host](Failure failure, tcp::resolver::results_type const& found) {
        if (failure) return dial->finish(unavailable("cannot resolve " + host, failure));
        dial->connect(found);
      });
  return dial;
}

void TcpDial::cancel() {
  done_ = nullptr;
  finish(Unexpected(ErrorCode::Unavailable, "cancelled"));
}

void TcpDial::connect(tcp::resolver::results_type const& found) {
  if (!done_) return;
  boost::asio::async_connect(socket_, found,
                             [self = shared_from_this()](Failure failure, tcp::endpoint const&) {
                               if (!self->done_) return;
                               if (failure)
                                 return self->finish(unavailable("cannot connect", failure));
                               Failure ignored;
                               self->socket_.set_option(tcp::no_delay(true), ignored);
                               self->finish(std::move(self->socket_));
                             });
}

void TcpDial::finish(Result<TcpSocket> result) {
  Done const done = std::exchange(done_, nullptr);
  timer_.cancel();
  resolver_.cancel();
  Failure ignored;
  socket_.close(ignored);
  if (done) done(std::move(result));
}

}  // namespace holdfast::net
