#pragma once

#include <functional>
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/result.h"
#include "base/time.h"
#include "net/address.h"

namespace holdfast::net {

using TcpSocket = boost::asio::ip::tcp::socket;
using TcpAcceptor = boost::asio::ip::tcp::acceptor;

/// Now, on the clock that every Instant of this folder means.
Instant steady_now();

/// Binds and listens; `address.host` may be a name.
/// Errors: Unavailable (no such host, port taken).
Result<TcpAcceptor> open_acceptor(boost::asio::io_context& io, Address const& address);

/// The other side of a connected socket; empty host if it is gone already.
Address remote_address(TcpSocket const& socket);

/// One attempt to reach a host: resolves its name and tries every address in turn.
/// Thread-safety: none; `done` comes on the io_context's thread, exactly once unless cancelled.
class TcpDial : public std::enable_shared_from_this<TcpDial> {
 public:
  using Done = std::function<void(Result<TcpSocket>)>;

  /// `at_most`: for everything together.
  static std::shared_ptr<TcpDial> start(boost::asio::io_context& io, Address const& target,
                                        Duration at_most, Done done);
  /// `done` is not called any more.
  void cancel();

 private:
  TcpDial(boost::asio::io_context& io, Done done);
  void connect(boost::asio::ip::tcp::resolver::results_type const& found);
  void finish(Result<TcpSocket> result);

  boost::asio::ip::tcp::resolver resolver_;
  TcpSocket socket_;
  boost::asio::steady_timer timer_;
  Done done_;
};

}  // namespace holdfast::net
